/// How many ways a model is split: tensor, pipeline and data parallel.
///
/// Ranks are numbered with the tensor group innermost and replicas outermost, so a tensor group is
/// a run of consecutive ranks.
public struct ParallelPlan: Hashable, Sendable {
  /// The GPUs that share every layer.
  public var tensor: Int
  /// The stages that the layers are divided into.
  public var pipeline: Int
  /// The replicas of the model.
  public var data: Int

  /// Creates a plan.
  ///
  /// - Precondition: all degrees are positive.
  public init(tensor: Int, pipeline: Int = 1, data: Int = 1) {
    precondition(tensor > 0 && pipeline > 0 && data > 0, "A degree is at least one.")
    self.tensor = tensor
    self.pipeline = pipeline
    self.data = data
  }

  /// The GPUs of all replicas.
  public var gpus: Int { tensor * pipeline * data }
}

extension ParallelPlan: CustomStringConvertible {
  /// The plan as the command line takes it, for example `tp4xpp2`.
  public var description: String {
    "tp\(tensor)" + (pipeline > 1 ? "xpp\(pipeline)" : "") + (data > 1 ? "xdp\(data)" : "")
  }
}

// MARK: - Legality

extension ParallelPlan {
  /// Why a model cannot be split like this; nil if it can.
  public func problem(with model: ModelConfiguration) -> String? {
    if model.heads % tensor != 0 {
      return "the \(model.heads) query heads do not divide over tp\(tensor)"
    }
    let keyValueHeads = model.keyValueHeads
    if tensor <= keyValueHeads ? keyValueHeads % tensor != 0 : tensor % keyValueHeads != 0 {
      return "the \(keyValueHeads) key-value heads neither divide over tp\(tensor) nor repeat "
        + "evenly"
    }
    if model.intermediateSize % tensor != 0 {
      return "the MLP's width \(model.intermediateSize) does not divide over tp\(tensor)"
    }
    if pipeline > model.layers {
      return "\(model.layers) layers cannot fill pp\(pipeline)"
    }
    return nil
  }

  /// The stages of the pipeline in order; the first ones have one layer more where the layers do
  /// not divide.
  public func stages(of model: ModelConfiguration) -> [PipelineStage] {
    let (each, extra) = model.layers.quotientAndRemainder(dividingBy: pipeline)
    return (0..<pipeline).map { index in
      PipelineStage(
        layers: each + (index < extra ? 1 : 0), isFirst: index == 0, isLast: index == pipeline - 1)
    }
  }

  /// All legal plans for a number of GPUs, largest tensor degree first; only those with `data`
  /// replicas unless it is nil.
  public static func legal(
    for model: ModelConfiguration, on machine: GPUAllocation, data: Int? = nil
  ) -> [ParallelPlan] {
    var plans: [ParallelPlan] = []
    for tensor in (1...machine.gpus).reversed() where machine.gpus % tensor == 0 {
      let rest = machine.gpus / tensor
      for pipeline in (1...rest).reversed() where rest % pipeline == 0 {
        let plan = ParallelPlan(tensor: tensor, pipeline: pipeline, data: rest / pipeline)
        if data ?? plan.data == plan.data, plan.problem(with: model) == nil,
          machine.problem(with: plan) == nil
        {
          plans.append(plan)
        }
      }
    }
    return plans
  }
}
