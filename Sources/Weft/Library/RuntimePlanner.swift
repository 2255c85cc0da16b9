/// How Weft's own runtime executes a schedule on GPUs.
public struct RuntimeForm: Hashable, Sendable {
  /// How messages travel.
  public enum Wire: String, CaseIterable, Sendable {
    /// Data, then a counter.
    case simple
    /// Lines of 16 bytes with 8 bytes of data and two flags.
    case ll
    /// Lines of 128 bytes with 120 bytes of data and a flag.
    case ll128

    /// The wire of a schedule whose longest message has so many bytes.
    ///
    /// Lines save a fence and a counter; the narrow ones double the bytes, the wide ones are stored by
    /// a warp together. Measured on two H200 over NVLink, one thread block: they cross near these
    /// lengths.
    static func fitting(longestMessage bytes: Int) -> Wire {
      bytes <= 32 << 10 ? .ll : bytes <= 128 << 10 ? .ll128 : .simple
    }
  }

  /// The wire; nil leaves it to the length of the messages.
  public var wire: Wire?
  /// Whether the kernels of a call run as one whose lanes meet in between.
  public var isFused: Bool
  /// The channels of a plain ring or tree; nil for its own number.
  public var channels: Int?

  /// Creates a form.
  public init(wire: Wire? = nil, isFused: Bool = false, channels: Int? = nil) {
    self.wire = wire
    self.isFused = isFused
    self.channels = channels
  }
}

/// Prices schedules as Weft's runtime for GPUs executes them (`Sources/Runtime/gpu`): a thread block
/// per lane, direct stores to peers, no library in between.
struct RuntimePlanner {
  let fabric: Fabric
  let profile: Profile

  /// The plan with the costs of the runtime.
  func priced(_ plan: Plan, for call: CollectiveCall, as form: RuntimeForm) -> Plan {
    // NCCL's schedules are made for a protocol; plain ones take what suits their messages. Puts and
    // local sums are moved as whole messages are.
    let longest = plan.longestMessage * call.type.bytes
    let wire =
      longest == 0
      ? .simple
      : form.wire ?? RuntimeForm.Wire(rawValue: plan.protocolName)
        ?? .fitting(longestMessage: longest)
    return plan.priced(as: wire.rawValue, costs(of: plan, call, wire, isFused: form.isFused))
  }

  private func costs(
    of plan: Plan, _ call: CollectiveCall, _ wire: RuntimeForm.Wire, isFused: Bool
  ) -> Costs {
    let kernels = plan.kernels
    var start = profile.duration(.launchGraph) + profile.duration(.runtimeStart)
    if call.launch == .eager { start += profile.duration(.runtimeEager) }
    let block = profile.bandwidth(wire.blockBandwidth)
    let cells = profile.bandwidth(.runtimeCellsLane)
    let device = Bandwidth(
      bytesPerSecond: Int(
        Double(fabric.topology.gpu.memoryBandwidth.bytesPerSecond)
          * profile.ratio(.memoryEfficiency)))
    let step = profile.duration(wire.step)
    let put = profile.duration(.runtimePut)
    var costs = Costs(
      elementBytes: call.type.bytes,
      kernels: kernels.enumerated().map { index, kernel in
        // A fused kernel has one block per lane throughout, and lanes that meet in between.
        let fills = kernel.grid == .device && !isFused
        var costs = Costs.KernelCosts(
          launch: index == 0 || !isFused ? start : profile.duration(.runtimeMeet),
          laneBandwidth: fills ? device : plan.hasCells ? cells : block)
        // Puts and sums move as whole messages do, whatever the wire.
        if !fills { costs.plainBandwidth = profile.bandwidth(.runtimeSimpleLane) }
        return costs
      },
      slots: plan.runtimeSlots, framing: wire.framing,
      receive: Costs.ByMedium(scaleUp: step, network: step),
      put: Costs.ByMedium(scaleUp: put, network: put), signalBytes: 8)
    costs.countsAccesses = true
    // A thread passes on the line that it has read; a block's pass is what streams.
    if wire != .simple { costs.streamGrain = 8 << 10 }
    if call.launch == .eager {
      // The host runs ahead until its launches take longer than the device.
      let launches = isFused ? 1 : kernels.count
      costs.enqueue = launches * profile.duration(.launchEager)
    }
    costs.operation = profile.duration(.runtimeOperation)
    let efficiency = profile.ratio(wire.linkEfficiency)
    costs.linkEfficiency = Costs.ByMedium(scaleUp: efficiency, network: efficiency)
    return costs
  }
}

extension RuntimeForm.Wire {
  fileprivate var framing: Costs.Framing {
    switch self {
    case .simple: .none
    case .ll: Costs.Framing(payload: 8, wire: 16)
    case .ll128: Costs.Framing(payload: 120, wire: 128)
    }
  }

  fileprivate var step: Profile.Key {
    switch self {
    case .simple: .runtimeSimpleStep
    case .ll: .runtimeLLStep
    case .ll128: .runtimeLL128Step
    }
  }

  fileprivate var linkEfficiency: Profile.Key {
    switch self {
    case .simple: .runtimeSimpleLink
    case .ll: .runtimeLLLink
    case .ll128: .runtimeLL128Link
    }
  }

  fileprivate var blockBandwidth: Profile.Key {
    switch self {
    case .simple: .runtimeSimpleLane
    case .ll: .runtimeLLLane
    case .ll128: .runtimeLL128Lane
    }
  }
}

extension Plan {
  /// The kernels of a call.
  var kernels: [Kernel] { schedule.open(Kernels()) }

  /// Whether ranks exchange data in cells with flags, and not in messages.
  var hasCells: Bool { schedule.open(Buffers()).contains { $0.storage == .flaggedCells } }

  /// The elements of the longest message that a rank sends; 0 if it puts everything.
  fileprivate var longestMessage: Int { schedule.open(LongestMessage()) }

  /// The slots of a connection in a runtime plan.
  var runtimeSlots: Int { min(costs.slots, RuntimePlan.mostSlots) }

  private struct Kernels: AnySchedule.Visitor {
    func visit(_ schedule: some Schedule) -> [Kernel] { schedule.kernels }
  }

  private struct Buffers: AnySchedule.Visitor {
    func visit(_ schedule: some Schedule) -> [Buffer] { schedule.buffers }
  }

  /// The elements of the longest message of ranks 0 and 1; others send no longer ones.
  private struct LongestMessage: AnySchedule.Visitor {
    func visit(_ schedule: some Schedule) -> Int {
      var longest = 0
      for rank in 0..<min(2, schedule.layout.ranks) {
        for lane in 0..<schedule.lanes {
          var cursor = schedule.cursor(rank: rank, lane: lane, call: 0)
          while let operation = cursor.next() {
            if operation.actions.contains(.send) { longest = max(longest, operation.count) }
          }
        }
      }
      return longest
    }
  }
}
