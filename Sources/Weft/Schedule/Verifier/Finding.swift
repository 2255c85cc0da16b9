/// Something that is wrong with a schedule.
public struct Finding: Hashable, Sendable, CustomStringConvertible {
  /// What sort of fault it is.
  public enum Kind: String, Sendable, CaseIterable {
    /// The schedule itself is malformed: no output buffer, a negative length, a cursor without end.
    case malformed
    /// A peer, a lane or a kernel that does not exist, or a message to oneself.
    case address
    /// Elements outside a buffer.
    case bounds
    /// A write to a buffer that belongs to the caller.
    case readOnly
    /// A message of another length or kind than its receiver expects.
    case mismatch
    /// A read of elements that nobody has written.
    case unwritten
    /// An addition of elements of different calls or different positions.
    case mixture
    /// A result that lacks or repeats contributions, or is another element's or another call's.
    case result
    /// Two accesses to the same elements, at least one a write, that nothing orders.
    case race
    /// Lanes of a rank that meet at different operations.
    case barrier
    /// A lane that waits for ever.
    case deadlock
    /// A message or flag that nobody takes.
    case unmatched
  }

  /// What sort of fault it is.
  public var kind: Kind
  /// The rank where it shows.
  public var rank: Int?
  /// The lane where it shows; nil for what the caller of the collective sees.
  public var lane: Int?
  /// The call, counted from 0.
  public var call: Int?
  /// The number of the lane's operation in the call, counted from 0.
  public var step: Int?
  /// The fault in words, without the place.
  public var text: String

  /// The place and the fault, for a person.
  public var description: String {
    var place: [String] = []
    if let rank { place.append("rank \(rank)") }
    if let lane { place.append("lane \(lane)") }
    if let call { place.append("call \(call)") }
    if let step { place.append("step \(step)") }
    return place.isEmpty ? text : place.joined(separator: ", ") + ": " + text
  }
}

/// What ``Verifier`` found out about a schedule.
public struct VerificationReport: Hashable, Sendable {
  /// How contributions were counted.
  public enum Mode: String, Sendable {
    /// Rank by rank.
    case exact
    /// By a random 128-bit number per rank.
    case fingerprint

    /// A bound on the probability that one wrong result passes.
    public var errorProbability: Double { self == .exact ? 0 : 0x1p-96 }
  }

  /// The faults, causes before consequences, at most ``Verifier/Options/maxFindings``.
  public var findings: [Finding]
  /// How contributions were counted.
  public var mode: Mode
  /// Whether the order of all accesses was checked; false if that would have cost too much.
  public var racesChecked: Bool
  /// The number of ranks.
  public var ranks: Int
  /// The number of lanes of every rank.
  public var lanes: Int
  /// The number of back-to-back calls.
  public var calls: Int
  /// The number of operations executed in all calls.
  public var operations: Int
  /// The number of messages, puts and signals in all calls.
  public var messages: Int

  /// Whether the schedule is proved correct: nothing was found and nothing was left out.
  public var isProved: Bool { findings.isEmpty && racesChecked }
}
