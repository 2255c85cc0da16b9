import ArgumentParser
import Foundation
import Weft
import WeftFiles

/// The options that place a job in its machine and say what is broken, slow or random there.
struct ConditionOptions: ParsableArguments {
  enum PlacementName: String, CaseIterable, ExpressibleByArgument {
    case block, cyclic, random
  }

  @Option(
    help: """
      Where nodes and ranks lie: block (first nodes in order), cyclic (ranks dealt to nodes one by \
      one; libraries order them by node all the same), random (nodes of the whole machine).
      """)
  var placement = PlacementName.block

  @Option(
    help: "Nodes by their number in the machine, or names that end in it: a line per node or rank.")
  var hostfile: String?

  @Option(
    help: ArgumentHelp(
      "A GPU whose work and launches take FACTOR times as long; repeatable.",
      valueName: "rank:factor"))
  var slowGPU: [String] = []

  @Option(
    help: ArgumentHelp(
      "A NIC of which a byte takes FACTOR times as long; repeatable.",
      valueName: "node.nic:factor"))
  var slowNIC: [String] = []

  @Option(
    help: ArgumentHelp(
      "A NIC that is broken, so that the node's others carry its traffic; repeatable.",
      valueName: "node.nic"))
  var failedNIC: [String] = []

  @Option(
    parsing: .unconditional, help: "The mean of random delays of every launch, such as '2 us'.")
  var launchJitter: String?

  @Option(
    parsing: .unconditional,
    help: "The mean of random delays of every message between nodes, such as '1 us'.")
  var networkJitter: String?

  /// The placement that the flags ask for.
  func placement(seed: UInt64) throws(Failure) -> Placement {
    guard let hostfile else {
      switch placement {
      case .block: return .block
      case .cyclic: return .cyclic
      case .random: return .random(seed: seed)
      }
    }
    guard placement == .block else {
      throw Failure(
        .usage, "--placement \(placement.rawValue) and --hostfile both place the ranks",
        fix: "leave one of them out")
    }
    return .listed(try Self.places(in: hostfile))
  }

  /// The nodes of a hostfile, line by line.
  private static func places(in path: String) throws(Failure) -> [Int] {
    let text: String
    do {
      text = try TextFile.read(path)
    } catch {
      guard error.kind != .missing else {
        throw Failure(.missing, "cannot read \(path)", fix: "give a text file with a node per line")
      }
      throw Failure(error)
    }
    var places: [Int] = []
    for (index, line) in text.split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let name = words.first else { continue }
      // As in a hostfile of MPICH, where slots stand behind the name.
      let host = name.prefix { $0 != ":" }
      let digits = String(host.reversed().prefix { $0.isASCII && $0.isNumber }.reversed())
      // An address, or a fraction, ends in a number as well.
      let isNumber = host.allSatisfy { !$0.isLetter }
      let slots = name.dropFirst(host.count + 1)
      guard let place = Int(digits), !isNumber || host == digits, slots.allSatisfy(\.isNumber)
      else {
        throw Failure(
          .badContent, "\(path):\(index + 1): '\(name)' does not end in a node's number",
          fix: "write the number in the machine, from 0, or a name like nid000017")
      }
      places.append(place)
    }
    guard !places.isEmpty else {
      throw Failure(
        .badContent, "\(path): the file names no node", fix: "write a node per line")
    }
    return places
  }

  /// What the flags say is broken, slow or random.
  func conditions(seed: UInt64) throws(Failure) -> Conditions {
    var conditions = Conditions(seed: seed)
    for text in slowGPU {
      let form = (flag: "--slow-gpu", example: "3:1.5", meaning: "rank 3, factor from 1 to 1e6")
      let (name, factor) = try Self.slow(text, form)
      guard let rank = Int(name) else { throw Self.malformed(text, form) }
      conditions.slowGPUs.append(Conditions.SlowGPU(rank: rank, factor: factor))
    }
    for text in slowNIC {
      let form = (
        flag: "--slow-nic", example: "0.1:2", meaning: "node 0, its NIC 1, factor from 1 to 1e6"
      )
      let (name, factor) = try Self.slow(text, form)
      guard let nic = Self.nic(name) else { throw Self.malformed(text, form) }
      conditions.slowNICs.append(Conditions.SlowNIC(nic: nic, factor: factor))
    }
    for text in failedNIC {
      guard let nic = Self.nic(text) else {
        throw Self.malformed(text, ("--failed-nic", "0.1", "node 0, its NIC 1; both from 0"))
      }
      conditions.failedNICs.append(nic)
    }
    try Self.checkRepeats(conditions)
    conditions.launchJitter = try Self.duration(launchJitter, "--launch-jitter")
    conditions.networkJitter = try Self.duration(networkJitter, "--network-jitter")
    return conditions
  }

  /// Refuses faults that contradict or repeat each other.
  private static func checkRepeats(_ conditions: Conditions) throws(Failure) {
    var ranks = Set<Int>()
    if let twice = conditions.slowGPUs.first(where: { !ranks.insert($0.rank).inserted }) {
      throw Failure(
        .usage, "--slow-gpu names rank \(twice.rank) twice", fix: "give one factor for it")
    }
    var nics = Set<Conditions.NIC>()
    if let twice = conditions.slowNICs.first(where: { !nics.insert($0.nic).inserted })?.nic {
      throw Failure(
        .usage, "--slow-nic names \(twice.node).\(twice.nic) twice",
        fix: "give one factor for it")
    }
    var failed = Set<Conditions.NIC>()
    if let twice = conditions.failedNICs.first(where: { !failed.insert($0).inserted }) {
      throw Failure(
        .usage, "--failed-nic names \(twice.node).\(twice.nic) twice", fix: "give it once")
    }
    if let both = failed.first(where: nics.contains) {
      throw Failure(
        .usage, "\(both.node).\(both.nic) is both --failed-nic and --slow-nic",
        fix: "leave one of them out: a failed NIC carries nothing, however slowly")
    }
  }

  /// A flag with an example of its value and what that means.
  private typealias Form = (flag: String, example: String, meaning: String)

  /// The largest factor of a slow part.
  private static let mostFactor = 1e6

  private static func slow(
    _ text: String, _ form: Form
  ) throws(Failure) -> (name: String, factor: Double) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let factor = Double(parts[1]), (1...mostFactor).contains(factor) else {
      throw malformed(text, form)
    }
    return (String(parts[0]), factor)
  }

  private static func nic(_ text: String) -> Conditions.NIC? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let node = parts[0], let nic = parts[1] else { return nil }
    return Conditions.NIC(node: node, nic: nic)
  }

  private static func duration(_ text: String?, _ flag: String) throws(Failure) -> SimDuration {
    guard let text else { return .zero }
    do throws(QuantityError) {
      let value = try Quantity.duration(text)
      guard value <= .seconds(1) else {
        throw QuantityError(problem: "'\(text)' is out of range", fix: "write a time up to 1 s")
      }
      return value
    } catch {
      throw Failure(.usage, "\(flag): \(error.problem)", fix: error.fix)
    }
  }

  private static func malformed(_ text: String, _ form: Form) -> Failure {
    Failure(
      .usage, "\(form.flag) '\(text)' is malformed",
      fix: "write it like \(form.flag) \(form.example): \(form.meaning)")
  }
}
