/// The GPUs of a machine that a prediction uses: part of one node, or whole nodes.
public struct GPUAllocation: Hashable, Sendable {
  /// The number of GPUs.
  public let gpus: Int
  /// The number of nodes.
  public let nodes: Int
  /// The GPUs in use on each node.
  public let gpusPerNode: Int

  /// Takes so many GPUs of a machine.
  ///
  /// - Throws: ``WorkloadError`` if the count is not positive, leaves a node of several partly
  ///   used, or is more than the machine has.
  public init(gpus: Int, of topology: Topology) throws(WorkloadError) {
    let perNode = topology.node.gpus
    guard gpus > 0 else {
      throw WorkloadError("\(gpus) GPUs cannot run a model", fix: "give at least 1")
    }
    guard gpus <= perNode || gpus % perNode == 0 else {
      let below = gpus / perNode * perNode
      throw WorkloadError(
        "\(gpus) GPUs are no whole number of \(topology.name)'s nodes of \(perNode)",
        fix: "use \(below) or \(below + perNode)")
    }
    self.gpus = gpus
    nodes = max(1, gpus / perNode)
    gpusPerNode = min(gpus, perNode)
    guard nodes <= topology.network.maxNodes else {
      throw WorkloadError(
        "\(gpus) GPUs are \(nodes) nodes, but \(topology.name) has \(topology.network.maxNodes)",
        fix: "ask for at most \(topology.network.maxNodes * perNode) GPUs")
    }
  }

  /// Why a plan's groups cannot be laid on these GPUs; nil if they can.
  ///
  /// A tensor group lies within a node or covers whole nodes: a group across part of a node would
  /// give its all-reduce ranks with unlike neighbours, which neither library's plan describes.
  public func problem(with plan: ParallelPlan) -> String? {
    if plan.gpus != gpus {
      return "\(plan) takes \(plan.gpus) GPUs, not \(gpus)"
    }
    let tensor = plan.tensor
    guard nodes == 1 || gpusPerNode % tensor == 0 || tensor % gpusPerNode == 0 else {
      return "tp\(tensor) neither divides a node of \(gpusPerNode) GPUs nor fills whole nodes"
    }
    return nil
  }

  /// The ranks of a plan's tensor group on their nodes.
  ///
  /// - Precondition: the plan has no problem here.
  public func tensorLayout(of plan: ParallelPlan) -> Layout {
    plan.tensor <= gpusPerNode
      ? Layout(nodes: 1, ranksPerNode: plan.tensor)
      : Layout(nodes: plan.tensor / gpusPerNode, ranksPerNode: gpusPerNode)
  }

  /// For each stage but the last: whether its next stage is on another node in some replica.
  ///
  /// The slowest replica counts, since a prediction speaks for all of them.
  func stageCrossings(of plan: ParallelPlan) -> [Bool] {
    (0..<plan.pipeline - 1).map { stage in
      (0..<plan.data).contains { replica in
        let first = (replica * plan.pipeline + stage) * plan.tensor
        return first / gpusPerNode != (first + plan.tensor) / gpusPerNode
      }
    }
  }
}
