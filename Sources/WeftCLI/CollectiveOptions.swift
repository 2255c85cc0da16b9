import ArgumentParser
import Foundation
import Weft
import WeftCalibration
import WeftFiles

extension Failure {
  /// Names what the user may have meant, and all there is.
  static func suggestion(_ text: String, _ known: [String]) -> String {
    var seen = Set<String>()
    let list = "use one of " + known.filter { seen.insert($0).inserted }.joined(separator: ", ")
    return Suggestion.closest(to: text, among: known).map { "did you mean '\($0)'? \(list)" }
      ?? list
  }
}

/// Values that nccl-tests users give with the same letters.
struct SizeOptions: ParsableArguments {
  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: "The smallest size: bytes, or with K, M, G; 8 unless said.")
  var minBytes: String?

  @Option(
    name: [.customShort("e"), .long], parsing: .unconditional,
    help: "The largest size; 128M unless said.")
  var maxBytes: String?

  @Option(
    name: [.customShort("f"), .long], parsing: .unconditional,
    help: "What the size is multiplied by from row to row; 2 unless said.",
    transform: { text throws(ValidationError) in
      guard let factor = Int(text) else {
        throw ValidationError("'\(text)' is no whole number; give 2 or more, as to nccl-tests.")
      }
      return factor
    })
  var stepFactor: Int?

  @Option(
    parsing: .unconditionalSingleValue, help: "A single size; repeatable, in place of a range.")
  var size: [String] = []

  @Option(name: [.customShort("d"), .long], help: "The type of the elements.")
  var datatype = "bf16"

  /// The sizes in bytes, every one of which fits into a GPU.
  func sizes(on gpu: GPU) throws(Failure) -> [Int] {
    var sizes: [Int] = []
    if !size.isEmpty {
      for text in size { sizes.append(try Self.bytes(text, flag: "--size", gpu)) }
      return sizes
    }
    let last = maxBytes ?? "128M"
    let largest = try Self.bytes(last, flag: "--max-bytes", gpu)
    let first = minBytes ?? "8"
    var next = try Self.bytes(first, flag: "--min-bytes", gpu)
    let stepFactor = stepFactor ?? 2
    guard next <= largest else {
      throw Failure(
        .usage, "--min-bytes \(first) is larger than --max-bytes \(last)",
        fix: "give the smaller size to -b and the larger to -e")
    }
    guard stepFactor >= 2 else {
      throw Failure(
        .usage, "--step-factor \(stepFactor) does not reach --max-bytes", fix: "use 2 or more")
    }
    while next <= largest {
      sizes.append(next)
      next = next.multipliedReportingOverflow(by: stepFactor).partialValue
      if next <= 0 { break }
    }
    return sizes
  }

  /// Whether a range is given that single sizes make useless.
  var hasUnusedRange: Bool {
    !size.isEmpty && (minBytes != nil || maxBytes != nil || stepFactor != nil)
  }

  /// The type of the elements.
  func type() throws(Failure) -> DataType { try DataType(parsing: datatype) }

  static func bytes(_ text: String, flag: String, _ gpu: GPU) throws(Failure) -> Int {
    let size: ByteCount
    do {
      size = try Quantity.messageSize(text)
    } catch {
      throw Failure(.usage, "\(flag): \(error.problem)", fix: error.fix)
    }
    guard size.bytes > 0 else {
      throw Failure(.usage, "\(flag) \(text) is not a message", fix: "give at least one byte")
    }
    guard size <= gpu.memory else {
      throw Failure(
        .usage, "\(flag) \(text) does not fit into a GPU: \(gpu.title) has \(gpu.memory)",
        fix: "give a smaller size")
    }
    return size.bytes
  }
}

extension DataType {
  /// Parses a type's name.
  init(parsing text: String) throws(Failure) {
    guard let type = DataType(name: text) else {
      throw Failure(
        .usage, "unknown datatype '\(text)'",
        fix: Failure.suggestion(text, Self.allCases.map(\.rawValue)))
    }
    self = type
  }
}

/// The profile that stands in for the nominal one.
struct ProfileOptions: ParsableArguments {
  @Option(
    name: .customLong("profile"), help: "A profile whose parameters replace the nominal ones.")
  var profiles: [String] = []

  /// The one profile; nil for the nominal one alone.
  var profile: String? { profiles.first }

  func validate() throws {
    guard profiles.count > 1 else { return }
    throw ValidationError(
      "--profile is given \(profiles.count) times, and intervals are of one fit alone: give one.")
  }

  /// A profile as it was loaded.
  struct Loaded {
    /// The nominal profile with what the given one holds in place of it.
    var profile: Profile
    /// What every machine of this kind has.
    var nominal: Profile
    /// The profile that the option names; nil if it names none.
    var file: ProfileFile?

    /// The given profile alone.
    var own: Profile? { file?.profile }

    /// What to say of a fit, on top of the given profile, to rows that this one was fitted to.
    ///
    /// - Throws: ``Failure`` if all of its rows are there again.
    func warning(ofRows rows: [String]) throws(Failure) -> [String] {
      guard let file, let share = file.sample?.share(in: rows), share > 0 else { return [] }
      let what =
        "rows that --profile '\(file.profile.names.joined(separator: ", "))' was fitted to are "
        + "among these, and count twice: standard errors come out too small"
      guard share < 1 else {
        throw Failure(
          .usage, "the " + what,
          fix: "leave --profile out to fit all rows at once, or give other rows")
      }
      return ["about \(Int((100 * share).rounded())) % of the " + what]
    }

    /// That nothing here answers to what the given profile holds.
    var idleWarning: String? {
      guard let own else { return nil }
      let keys = Profile.Key.allCases.filter { own[$0] != nil }.map(\.rawValue)
      return "--profile changes nothing: nothing here answers to what '"
        + own.names.joined(separator: ", ") + "' holds ("
        + keys.prefix(4).joined(separator: ", ") + (keys.count > 4 ? ", …)" : ")")
    }
  }

  /// The nominal profile of a machine, with what the given profile holds in place of it.
  func load(for topology: Topology, _ global: GlobalOptions) throws -> Profile {
    try loaded(for: topology, global).profile
  }

  /// The same with its parts, each file read once.
  func loaded(for topology: Topology, _ global: GlobalOptions) throws -> Loaded {
    let nominal = try global.data().nominalProfile(for: topology)
    guard let profile else { return Loaded(profile: nominal, nominal: nominal) }
    let file = try ProfileFile(path: profile)
    let fitted = file.profile.calibration?.parameters ?? []
    if let unknown = fitted.first(where: { CalibrationTerm.named($0.name) == nil })?.name {
      throw Failure(
        .badContent, "\(profile): calibration.parameters has the unknown term '\(unknown)'",
        fix: Failure.suggestion(unknown, CalibrationTerm.all.map(\.name)))
    }
    if let note = file.mismatch(with: topology) ?? file.transfer(to: topology) {
      Console.warn(note, global)
    }
    return Loaded(profile: nominal.replacing(with: file.profile), nominal: nominal, file: file)
  }
}

/// A list that users write with commas.
enum CommaList {
  /// The items without blanks around them, each once, in order of first appearance.
  static func parse(_ text: String) -> [String] {
    var seen = Set<String>()
    return text.split(separator: ",", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { seen.insert($0).inserted }
  }
}
