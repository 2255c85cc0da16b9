/// How the verifier counts which ranks have been added into a value.
///
/// Two implementations: ``ExactContributions`` for small runs, ``FingerprintContributions`` for
/// large ones. Both cost the same few instructions per addition.
protocol ContributionAlgebra: Sendable {
  /// A multiset of ranks, or what stands for one.
  associatedtype Multiset: Equatable, Sendable

  /// How sure a proof in this algebra is.
  static var mode: VerificationReport.Mode { get }
  /// Every rank exactly once.
  var complete: Multiset { get }

  /// Creates the algebra for ranks `0 ..< ranks`.
  init(ranks: Int, seed: UInt64)

  /// What one rank brings.
  func single(_ rank: Int) -> Multiset
  /// Two multisets together.
  func sum(_ first: Multiset, _ second: Multiset) -> Multiset
  /// For a person: what tells a multiset from the one that should be there.
  func difference(of multiset: Multiset, from expected: Multiset) -> String
}

/// Two bits per rank: present, and present more than once.
///
/// Counts only grow, so saturating at two loses nothing of the question asked: a value is complete
/// if every rank is present and none more than once.
struct ExactContributions: ContributionAlgebra {
  /// The most ranks the bits can hold.
  static let maximumRanks = 64
  static let mode = VerificationReport.Mode.exact

  struct Multiset: Equatable, Sendable {
    var present: UInt64
    var repeated: UInt64
  }

  let ranks: Int
  let complete: Multiset

  init(ranks: Int, seed _: UInt64) {
    precondition((1...Self.maximumRanks).contains(ranks), "An exact proof holds 1 to 64 ranks.")
    self.ranks = ranks
    complete = Multiset(present: UInt64.max >> UInt64(64 - ranks), repeated: 0)
  }

  func single(_ rank: Int) -> Multiset { Multiset(present: 1 << UInt64(rank), repeated: 0) }

  func sum(_ first: Multiset, _ second: Multiset) -> Multiset {
    Multiset(
      present: first.present | second.present,
      repeated: first.repeated | second.repeated | (first.present & second.present))
  }

  func difference(of multiset: Multiset, from expected: Multiset) -> String {
    let missing = names(in: expected.present & ~multiset.present)
    let foreign = names(in: multiset.present & ~expected.present)
    let doubled = names(in: multiset.repeated)
    var parts: [String] = []
    if !missing.isEmpty { parts.append("lacks \(missing)") }
    if !foreign.isEmpty { parts.append("holds \(foreign) without need") }
    if !doubled.isEmpty { parts.append("holds \(doubled) more than once") }
    return parts.joined(separator: " and ")
  }

  private func names(in bits: UInt64) -> String {
    let found = (0..<ranks).filter { bits >> UInt64($0) & 1 == 1 }
    guard found.count > 1 else { return found.first.map { "rank \($0)" } ?? "" }
    return "ranks " + found.map(String.init).joined(separator: ", ")
  }
}

/// The sum, modulo 2^128, of one random 128-bit number per rank.
///
/// A multiset whose counts differ from the complete one by `d_r` passes if `sum d_r x_r = 0`. With
/// `2^k` the largest power of two that divides every `d_r`, this has probability `2^(k - 128)` over
/// the random numbers `x_r`, at most 2^-96 if the differences stay below 2^32. A run that makes
/// `m` comparisons errs with probability at most `m * 2^-96`: 10^9 of them, 10^-20.
struct FingerprintContributions: ContributionAlgebra {
  static let mode = VerificationReport.Mode.fingerprint

  /// The number of every rank.
  let numbers: [UInt128]
  let complete: UInt128

  init(ranks: Int, seed: UInt64) {
    var generator = SplitMix(state: seed)
    numbers = (0..<ranks).map { _ in UInt128(generator.next()) << 64 | UInt128(generator.next()) }
    complete = numbers.reduce(0, &+)
  }

  func single(_ rank: Int) -> UInt128 { numbers[rank] }

  func sum(_ first: UInt128, _ second: UInt128) -> UInt128 { first &+ second }

  /// Names the rank if exactly one is missing or doubled, or if one stands alone in place of
  /// another; other differences leave no trace that could be read back.
  func difference(of multiset: UInt128, from expected: UInt128) -> String {
    if let rank = numbers.firstIndex(of: expected &- multiset) { return "lacks rank \(rank)" }
    if expected != complete, let rank = numbers.firstIndex(of: multiset),
      let wanted = numbers.firstIndex(of: expected)
    {
      return "lacks rank \(wanted) and holds rank \(rank) without need"
    }
    if let rank = numbers.firstIndex(of: multiset &- expected) {
      return "holds rank \(rank) more than once"
    }
    return "lacks or repeats several ranks (a fingerprint cannot name them)"
  }
}

/// The SplitMix64 generator of Steele, Lea and Flood (doi:10.1145/2660193.2660195).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
