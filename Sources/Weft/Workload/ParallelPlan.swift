/// How many ways a model is split: tensor, pipeline, data and expert parallel.
///
/// Ranks are numbered with the tensor group innermost and replicas outermost, so a tensor group is
/// a run of consecutive ranks. Expert parallelism adds no GPUs: within a stage, the experts of a
/// mixture are dealt over `expert` ranks of the tensor groups of one or several replicas; what is
/// left of a tensor group splits each expert.
public struct ParallelPlan: Hashable, Sendable {
  /// The GPUs that share every layer.
  public var tensor: Int
  /// The columns of a two-dimensional tensor group, over which the residual stream is split; 1 for
  /// one dimension.
  public var columns: Int
  /// The stages that the layers are divided into.
  public var pipeline: Int
  /// The replicas of the model.
  public var data: Int
  /// The ranks that the experts are dealt over.
  public var expert: Int

  /// Creates a plan.
  ///
  /// - Precondition: all degrees are positive, and the columns divide the tensor degree.
  public init(tensor: Int, columns: Int = 1, pipeline: Int = 1, data: Int = 1, expert: Int = 1) {
    precondition(
      tensor > 0 && pipeline > 0 && data > 0 && expert > 0 && columns > 0 && tensor % columns == 0,
      "A degree is at least one.")
    self.tensor = tensor
    self.columns = columns
    self.pipeline = pipeline
    self.data = data
    self.expert = expert
  }

  /// The GPUs of all replicas.
  public var gpus: Int { tensor * pipeline * data }

  /// The rows of the tensor group, over which heads and the MLP's width are split.
  public var rows: Int { tensor / columns }

  /// The replicas whose tokens meet at one expert group; 1 where a tensor group holds all experts.
  public var replicasPerExpertGroup: Int { max(1, expert / tensor) }

  /// The parts that the experts' weights of a layer are cut into: ranks times splits of an expert.
  public var expertShards: Int { expert * expertSplit }

  /// The GPUs that share each expert.
  public var expertSplit: Int { max(1, tensor / expert) }
}

extension ParallelPlan: CustomStringConvertible {
  /// The plan as the command line takes it, for example `tp4xpp2`.
  public var description: String {
    let group = columns > 1 ? "tp\(rows)c\(columns)" : "tp\(tensor)"
    return group + (pipeline > 1 ? "xpp\(pipeline)" : "") + (data > 1 ? "xdp\(data)" : "")
      + (expert > 1 ? "xep\(expert)" : "")
  }
}

// MARK: - Legality

extension ParallelPlan {
  /// Why a model cannot be split like this; nil if it can.
  public func problem(with model: ModelConfiguration) -> String? {
    if model.heads % rows != 0 {
      return "the \(model.heads) query heads do not divide over tp\(rows)"
    }
    let keyValueHeads = model.keyValueHeads
    if model.latent == nil,
      rows <= keyValueHeads ? keyValueHeads % rows != 0 : rows % keyValueHeads != 0
    {
      return "the \(keyValueHeads) key-value heads neither divide over tp\(rows) nor repeat "
        + "evenly"
    }
    if model.experts == nil || model.experts?.denseLayers ?? 0 > 0,
      model.intermediateSize % tensor != 0
    {
      return "the MLP's width \(model.intermediateSize) does not divide over tp\(tensor)"
    }
    if pipeline > model.layers {
      return "\(model.layers) layers cannot fill pp\(pipeline)"
    }
    return gridProblem(with: model) ?? expertProblem(with: model)
  }

  private func gridProblem(with model: ModelConfiguration) -> String? {
    guard columns > 1 else { return nil }
    if model.experts != nil || model.latent != nil {
      return "two-dimensional tensor parallelism is for dense models with grouped queries"
    }
    return model.hiddenSize % columns == 0
      ? nil : "the residual stream of \(model.hiddenSize) does not divide over \(columns) columns"
  }

  private func expertProblem(with model: ModelConfiguration) -> String? {
    guard let experts = model.experts else {
      return expert > 1 ? "\(model.name) is dense: there are no experts to split over ep" : nil
    }
    if experts.count % expert != 0 {
      return "the \(experts.count) experts do not divide over ep\(expert)"
    }
    if expert <= tensor ? tensor % expert != 0 : tensor * data % expert != 0 || expert % tensor != 0
    {
      return "ep\(expert) neither divides tp\(tensor) nor gathers whole tensor groups of the "
        + "\(data) replicas"
    }
    if experts.intermediateSize % expertSplit != 0 {
      return
        "an expert's width \(experts.intermediateSize) does not divide over \(expertSplit) GPUs"
    }
    return experts.sharedSize % tensor == 0
      ? nil : "the shared experts' width \(experts.sharedSize) does not divide over tp\(tensor)"
  }

  /// The stages of the pipeline in order; the first ones have one layer more where the layers do
  /// not divide.
  public func stages(of model: ModelConfiguration) -> [PipelineStage] {
    let (each, extra) = model.layers.quotientAndRemainder(dividingBy: pipeline)
    var start = 0
    return (0..<pipeline).map { index in
      let range = start..<start + each + (index < extra ? 1 : 0)
      start = range.upperBound
      return PipelineStage(
        layers: range.count, expertLayers: model.expertLayers(in: range), isFirst: index == 0,
        isLast: index == pipeline - 1)
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
        let replicas = rest / pipeline
        guard data ?? replicas == replicas else { continue }
        for columns in divisors(of: tensor) {
          for expert in model.experts == nil ? [1] : divisors(of: tensor * replicas) {
            let plan = ParallelPlan(
              tensor: tensor, columns: columns, pipeline: pipeline, data: replicas, expert: expert)
            if plan.problem(with: model) == nil, machine.problem(with: plan) == nil {
              plans.append(plan)
            }
          }
        }
      }
    }
    return plans
  }

  private static func divisors(of number: Int) -> [Int] {
    (1...number).filter { number % $0 == 0 }
  }
}
