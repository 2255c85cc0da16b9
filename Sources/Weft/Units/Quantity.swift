/// Reading and writing of numbers with units, exact in decimal: `25 GB/s`, `2 us`, `40 GiB`.
enum Decimal {
  /// A decimal fraction `digits x 10^-scale`.
  struct Number {
    var digits: Int128
    var scale: Int

    /// This number times `factor`, rounded to the nearest integer; nil beyond 64 bits.
    func times(_ factor: Int128) -> Int? {
      let (product, overflow) = digits.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      var divisor: Int128 = 1
      for _ in 0..<scale { divisor *= 10 }
      return Int(exactly: (product + divisor / 2) / divisor)
    }
  }

  /// Splits `1.5 GB/s` into an unsigned number and its unit; nil if there is no plain number.
  ///
  /// At most 30 digits are taken, which is beyond what any quantity here means.
  static func split(_ text: String) -> (number: Number, unit: String)? {
    var number = Number(digits: 0, scale: 0)
    var seenDigits = 0
    var seenPoint = false
    let text = text.trimmed()
    // Studies read hundreds of thousands of quantities, and characters take ten times as long.
    var rest = text.utf8[...]
    while let byte = rest.first {
      if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        seenDigits += 1
        // Thirty digits still fit; times any unit they are too large, which is said then.
        guard seenDigits <= 30 else { return nil }
        number.digits = number.digits * 10 + Int128(byte - UInt8(ascii: "0"))
        number.scale += seenPoint ? 1 : 0
      } else if byte == UInt8(ascii: "."), !seenPoint {
        seenPoint = true
      } else {
        break
      }
      rest = rest.dropFirst()
    }
    return seenDigits > 0 ? (number, String(text[rest.startIndex...]).trimmed()) : nil
  }

  /// `value x 10^-power` with up to `places` decimals and no trailing zeros.
  static func text(_ value: Int128, power: Int, places: Int = 12) -> String {
    let zero = UInt8(ascii: "0")
    var digits = Array(String(value.magnitude).utf8)
    if digits.count <= power {
      digits.insert(contentsOf: repeatElement(zero, count: power + 1 - digits.count), at: 0)
    }
    var fraction = digits.suffix(power).prefix(places)
    while fraction.last == zero { fraction.removeLast() }
    let point = fraction.isEmpty ? [] : [UInt8(ascii: ".")]
    let sign = value < 0 ? [UInt8(ascii: "-")] : []
    return String(decoding: sign + digits.dropLast(power) + point + fraction, as: UTF8.self)
  }

  /// `value` in the largest unit that keeps it at 1 or more, and the unit's name.
  static func scaled(_ value: Int128, units: [(name: String, power: Int)]) -> String {
    var chosen = units[0]
    for unit in units where String(value.magnitude).count > unit.power && value != 0 {
      chosen = unit
    }
    return text(value, power: chosen.power) + " " + chosen.name
  }
}

extension String {
  func trimmed() -> String {
    let marks = UInt8(0x21)...UInt8(0x7E)
    if let first = utf8.first, let last = utf8.last, marks.contains(first), marks.contains(last) {
      return self
    }
    var view = self[...]
    while let first = view.first, first.isWhitespace { view.removeFirst() }
    while let last = view.last, last.isWhitespace { view.removeLast() }
    return String(view)
  }
}

/// Why a text is not a quantity, in words for a person, with the fix.
public struct QuantityError: Error, Equatable, CustomStringConvertible {
  /// What is wrong, with the offending text.
  public let problem: String
  /// What would be right.
  public let fix: String

  /// Creates an error from what is wrong and what would be right.
  public init(problem: String, fix: String) {
    self.problem = problem
    self.fix = fix
  }

  /// What is wrong and what would be right.
  public var description: String { "\(problem); \(fix)" }
}

/// The kinds of quantity that files carry, each with its units.
public enum Quantity {
  private static let sizes: [(String, Int128)] = [
    ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ("KB", 1_000), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
  ]

  private static let times = SimDuration.units.map {
    ($0.name, Decimal.Number.powerOfTen($0.power))
  }
  private static let rates =
    sizes.map { ($0.0 + "/s", $0.1) } + [("Mb/s", 125_000), ("Gb/s", 125_000_000)]
  private static let messageSizes: [(String, Int128)] =
    [
      ("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40),
      ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30),
    ] + sizes

  /// Parses a duration such as `2 us`.
  ///
  /// - Throws: ``QuantityError`` if the text has no number, no known unit, or is out of range.
  public static func duration(_ text: String) throws(QuantityError) -> SimDuration {
    let picoseconds = try parse(text, what: "a time", units: times, example: "2 us")
    return SimDuration(picoseconds: Int64(picoseconds))
  }

  /// Parses a rate such as `25 GB/s` or `200 Gb/s` (bits).
  ///
  /// - Throws: ``QuantityError`` if the text has no number, no known unit, or is out of range.
  public static func bandwidth(_ text: String) throws(QuantityError) -> Bandwidth {
    Bandwidth(
      bytesPerSecond: try parse(text, what: "a bandwidth", units: rates, example: "25 GB/s"))
  }

  /// Parses an amount of memory such as `40 GiB`.
  ///
  /// - Throws: ``QuantityError`` if the text has no number, no known unit, or is out of range.
  public static func size(_ text: String) throws(QuantityError) -> ByteCount {
    ByteCount(bytes: try parse(text, what: "a size", units: sizes, example: "40 GiB"))
  }

  /// Parses an arithmetic rate such as `312 TFLOP/s`, in operations per second.
  ///
  /// - Throws: ``QuantityError`` if the text has no number, no known unit, or is out of range.
  public static func flops(_ text: String) throws(QuantityError) -> Double {
    let units: [(String, Int128)] = [
      ("GFLOP/s", 1_000_000_000), ("TFLOP/s", 1_000_000_000_000),
      ("PFLOP/s", 1_000_000_000_000_000),
    ]
    return Double(try parse(text, what: "an arithmetic rate", units: units, example: "312 TFLOP/s"))
  }

  /// Parses a message size of the command line: bytes, or with `K`, `M`, `G` as powers of two.
  ///
  /// - Throws: ``QuantityError`` if the text has no number, no known unit, or is out of range.
  public static func messageSize(_ text: String) throws(QuantityError) -> ByteCount {
    ByteCount(
      bytes: try parse(text, what: "a message size", units: messageSizes, example: "512K"))
  }

  private static func parse(
    _ text: String, what: String, units: [(String, Int128)], example: String
  ) throws(QuantityError) -> Int {
    guard let (number, unit) = Decimal.split(text) else {
      throw QuantityError(problem: "'\(text)' is not \(what)", fix: "write it like '\(example)'")
    }
    guard let factor = units.first(where: { $0.0 == unit })?.1 else {
      let names = units.map(\.0).filter { !$0.isEmpty }.joined(separator: ", ")
      let problem = unit.isEmpty ? "has no unit" : "has the unknown unit '\(unit)'"
      throw QuantityError(
        problem: "'\(text)' \(problem)",
        fix: "\(what) is written like '\(example)' (units: \(names))")
    }
    guard let value = number.times(factor) else {
      throw QuantityError(
        problem: "'\(text)' is larger than Weft can count", fix: "write a smaller value")
    }
    return value
  }
}

extension Decimal.Number {
  fileprivate static func powerOfTen(_ power: Int) -> Int128 {
    var result: Int128 = 1
    for _ in 0..<power { result *= 10 }
    return result
  }
}
