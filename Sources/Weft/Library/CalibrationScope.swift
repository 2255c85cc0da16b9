extension Calibration {
  /// What calls were measured on: of others a fit's residuals tell nothing.
  ///
  /// Of the sizes and node counts, which have an order, ``Calibration/factors(gradient:bytes:nodes:)``
  /// extrapolates; these have none. A list that is empty was not kept, or does not matter.
  public struct Scope: Hashable, Sendable {
    /// The GPUs of a node in use.
    public var ranksPerNode: [Int]
    /// The bits of the elements that were added up; of calls that add nothing they do not matter.
    public var typeBits: [Int]
    /// The releases of NCCL that brought the tuners in use.
    public var tuners: [String]
    /// The rates and latencies of a GPU's links inside a node.
    public var ratesInNode: [String]
    /// The NICs of a node, the rate of each and the latency between nodes, if messages left one.
    public var ratesBetweenNodes: [String]
    /// How kernels were started, which takes no interval away, as hardly a time answers to it.
    public var launches: [String]

    /// Creates a scope; of nothing in particular unless said.
    public init(
      ranksPerNode: [Int] = [], typeBits: [Int] = [], tuners: [String] = [],
      ratesInNode: [String] = [], ratesBetweenNodes: [String] = [], launches: [String] = []
    ) {
      self.ranksPerNode = ranksPerNode
      self.typeBits = typeBits
      self.tuners = tuners
      self.ratesInNode = ratesInNode
      self.ratesBetweenNodes = ratesBetweenNodes
      self.launches = launches
    }

    /// The scope of one call.
    ///
    /// - Parameters:
    ///   - call: What is asked for.
    ///   - layout: The ranks and their nodes.
    ///   - version: The version of NCCL whose tuner chooses; nil if none does.
    ///   - topology: The machine.
    public init(
      of call: CollectiveCall, layout: Layout, version: NCCLVersion?, on topology: Topology
    ) {
      self.init(
        ranksPerNode: [layout.ranksPerNode],
        typeBits: call.collective.reduces ? [8 * call.type.bytes] : [],
        tuners: version.map { [NCCLTunerConstants.release(of: $0).description] } ?? [],
        ratesInNode: layout.ranksPerNode > 1
          ? ["\(topology.node.scaleUp.bandwidth) and \(topology.node.scaleUp.latency)"] : [],
        ratesBetweenNodes: layout.nodes > 1
          ? [
            "\(topology.node.nics) x \(topology.network.bandwidth) and \(topology.network.latency)"
          ]
          : [],
        launches: [call.launch.rawValue])
    }

    /// Adds what other calls were measured on.
    public mutating func formUnion(_ other: Scope) {
      func joined<Value: Hashable & Comparable>(_ own: [Value], _ more: [Value]) -> [Value] {
        Set(own + more).sorted()
      }
      ranksPerNode = joined(ranksPerNode, other.ranksPerNode)
      typeBits = joined(typeBits, other.typeBits)
      tuners = joined(tuners, other.tuners)
      ratesInNode = joined(ratesInNode, other.ratesInNode)
      ratesBetweenNodes = joined(ratesBetweenNodes, other.ratesBetweenNodes)
      launches = joined(launches, other.launches)
    }

    /// What of another scope is not in this one, with what is, in words; nil if all of it is.
    func lacking(_ other: Scope) -> String? {
      func lacking<Value: Hashable>(
        _ own: [Value], _ asked: [Value], _ text: (String) -> String
      ) -> String? {
        guard !own.isEmpty, let value = asked.first(where: { !own.contains($0) }) else {
          return nil
        }
        let known = own.map { "\($0)" }.joined(separator: ", ")
        return text("\(value)") + ": the profile was calibrated on " + text(known)
      }
      return lacking(ranksPerNode, other.ranksPerNode) { "\($0) GPUs of a node" }
        ?? lacking(typeBits, other.typeBits) { "sums of \($0)-bit elements" }
        ?? lacking(tuners, other.tuners) { "NCCL with the tuner of \($0)" }.map {
          $0 + " (--nccl-version)"
        }
        ?? lacking(ratesInNode, other.ratesInNode) { "links of \($0) inside nodes" }
        ?? lacking(ratesBetweenNodes, other.ratesBetweenNodes) { "NICs of \($0)" }
    }
  }

  /// Why there is no interval for a call, in words; nil if there is one.
  ///
  /// - Parameters:
  ///   - call: The call as ``call(_:by:)`` names it.
  ///   - scope: What it runs on.
  /// - Returns: What was never measured, and what was.
  public func obstacle(_ call: String, on scope: Scope) -> String? {
    guard hasMeasured(call) else {
      return "\(call): the profile was calibrated on " + measured.joined(separator: ", ")
    }
    if nodes.upperBound == 1 && !scope.ratesBetweenNodes.isEmpty {
      return "messages between nodes: the profile was calibrated on calls inside one"
    }
    return self.scope.lacking(scope)
  }
}
