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
    let most = topology.network.maxNodes * perNode
    guard gpus <= most else {
      throw WorkloadError(
        "\(gpus) GPUs are \((gpus - 1) / perNode + 1) nodes, but \(topology.name) has "
          + "\(topology.network.maxNodes)", fix: "ask for at most \(most) GPUs")
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

  /// The ranks of one of a plan's groups on their nodes.
  ///
  /// - Precondition: the plan has no problem here.
  public func layout(of group: PlanGroup, _ plan: ParallelPlan) -> Layout {
    switch group {
    case .tensor: return consecutive(plan.tensor)
    case .rows: return consecutive(plan.rows)
    case .columns: return strided(plan.columns, by: plan.rows)
    case .experts:
      if plan.expert <= plan.tensor { return consecutive(plan.expert) }
      // Whole tensor groups of several replicas, one pipeline apart.
      if plan.pipeline == 1 { return consecutive(plan.expert) }
      let replicas = strided(plan.replicasPerExpertGroup, by: plan.tensor * plan.pipeline)
      let group = consecutive(plan.tensor)
      return Layout(
        nodes: replicas.nodes * group.nodes,
        ranksPerNode: replicas.ranksPerNode * group.ranksPerNode)
    }
  }

  private func consecutive(_ ranks: Int) -> Layout {
    ranks <= gpusPerNode
      ? Layout(nodes: 1, ranksPerNode: ranks)
      : Layout(nodes: ranks / gpusPerNode, ranksPerNode: gpusPerNode)
  }

  private func strided(_ ranks: Int, by stride: Int) -> Layout {
    let perNode = min(ranks, max(1, gpusPerNode / stride))
    return Layout(nodes: max(1, ranks / perNode), ranksPerNode: perNode)
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

/// The groups of ranks that talk to each other in a step.
public enum PlanGroup: String, Hashable, Sendable {
  /// All GPUs that share every layer.
  case tensor
  /// The rows of a two-dimensional tensor group: consecutive ranks.
  case rows
  /// Its columns: one rank of each run of rows.
  case columns
  /// The ranks that a mixture's experts are dealt over.
  case experts
}
