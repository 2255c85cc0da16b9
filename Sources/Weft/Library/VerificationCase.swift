/// A schedule to be proved, as the command line describes it: a builder and its size.
public struct VerificationCase: Sendable {
  /// The algorithm: a plain schedule, one from a file, or NVRAR.
  public var algorithm: AlgorithmName
  /// What it is to compute.
  public var collective: Collective
  /// How the ranks lie on nodes.
  public var layout: Layout
  /// The size in elements, as ``Collective`` counts it.
  public var elements: Int
  /// Channels of a ring or tree, blocks of NVRAR; the builder's own number if nil.
  public var channels: Int?
  /// Whether input and output are one buffer.
  public var inPlace: Bool

  /// Creates a case.
  public init(
    algorithm: AlgorithmName, collective: Collective = .allReduce, layout: Layout, elements: Int,
    channels: Int? = nil, inPlace: Bool
  ) {
    self.algorithm = algorithm
    self.collective = collective
    self.layout = layout
    self.elements = elements
    self.channels = channels
    self.inPlace = inPlace
  }

  /// Operations of one call, estimated from rank 0; counting stops at the limit.
  ///
  /// - Throws: ``PlanError`` if there is no such schedule.
  public func operations(limit: Int) throws(PlanError) -> Int {
    try schedule().open(Counting(limit: limit))
  }

  /// Proves the schedule, or finds what is wrong with it.
  ///
  /// - Throws: ``PlanError`` if there is no such schedule.
  public func verify(_ options: Verifier.Options) throws(PlanError) -> VerificationReport {
    try schedule().open(Proving(options: options))
  }

  /// The operations of the first call, rank by rank and lane by lane, up to a limit in all.
  ///
  /// - Throws: ``PlanError`` if there is no such schedule.
  public func listing(ranks: Range<Int>, limit: Int) throws(PlanError) -> ScheduleListing {
    try schedule().open(Listing(ranks: ranks, limit: limit))
  }

  /// The schedule written down in the form of MSCCL's files.
  ///
  /// - Throws: ``PlanError`` if there is no such schedule or it does not fit that form.
  public func exported(name: String) throws(PlanError) -> ChunkProgram {
    try schedule().open(Exporting(name: name))
  }

  func schedule() throws(PlanError) -> AnySchedule {
    if case .imported(let program) = algorithm {
      guard channels == nil else {
        throw PlanError(
          problem: "the channels of a file are what they are", fix: "leave --channels out")
      }
      return try program.schedule(collective, layout: layout, elements: elements)
    }
    if case .plain(let plain) = algorithm, !plain.collectives.contains(collective) {
      throw PlanError(lacking: collective, in: plain.rawValue, isBare: true)
    }
    if case .plain(let plain) = algorithm, collective != .allReduce {
      return try plain.schedule(
        collective, layout: layout, elements: elements, channels: channels, inPlace: inPlace)
    }
    guard collective == .allReduce else {
      if case .nvrar = algorithm { throw PlanError(lacking: collective, in: "nvrar", isBare: true) }
      throw PlanError(lacking: collective, in: "nccl", isBare: true)
    }
    return try allReduce()
  }

  private func allReduce() throws(PlanError) -> AnySchedule {
    switch algorithm {
    case .nvrar(let inNode):
      let phases: NVRAR.InNode =
        switch inNode {
        case nil, .oneShot: .puts
        case .nvls: .switchedPuts
        // As many channels as NCCL has on nodes of four GPUs, and pieces of LL's slots.
        case .nccl: .rings(channels: 8, order: .spread, chunk: 1 << 14)
        }
      return .nvrar(
        NVRAR(
          layout: layout, elements: elements, blocks: channels ?? 8, inNode: phases,
          inPlace: inPlace))
    case .plain(let algorithm):
      return try algorithm.schedule(
        layout: layout, elements: elements, channels: channels, inPlace: inPlace)
    case .nccl, .imported:
      throw PlanError(
        problem: "what NCCL runs depends on the machine and the size",
        fix: "verify the schedule it uses: ring or tree, with --channels and --slots 8")
    }
  }

  private struct Counting: AnySchedule.Visitor {
    let limit: Int

    func visit(_ schedule: some Schedule) -> Int {
      var operations = 0
      for lane in 0..<schedule.lanes {
        var cursor = schedule.cursor(rank: 0, lane: lane, call: 0)
        while operations * schedule.layout.ranks < limit && cursor.next() != nil { operations += 1 }
      }
      return operations * schedule.layout.ranks
    }
  }

  private struct Listing: AnySchedule.Visitor {
    let ranks: Range<Int>
    let limit: Int

    func visit(_ schedule: some Schedule) -> ScheduleListing {
      ScheduleListing(schedule, ranks: ranks, limit: limit)
    }
  }

  private struct Exporting: AnySchedule.Visitor {
    let name: String

    func visit(_ schedule: some Schedule) throws(PlanError) -> ChunkProgram {
      do {
        return try ChunkProgram(exporting: schedule, name: name)
      } catch {
        throw PlanError(problem: "\(name) does not fit: \(error.problem)", fix: error.fix)
      }
    }
  }

  private struct Proving: AnySchedule.Visitor {
    let options: Verifier.Options

    func visit(_ schedule: some Schedule) -> VerificationReport {
      Verifier.verify(schedule, options: options)
    }
  }
}
