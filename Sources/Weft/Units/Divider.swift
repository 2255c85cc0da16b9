/// Division by one number, many times: a multiplication each.
///
/// With m the quotient of 2^64 by d, rounded up, the upper half of m n is n / d for all n and d
/// below 2^32. Source: Lemire, Kaser and Kurz 2019, doi:10.1002/spe.2689.
struct Divider: Hashable, Sendable {
  /// The number to divide by.
  let divisor: Int
  /// m; 0 for a divisor of one, which has no m of 64 bits.
  private let factor: UInt64

  /// Prepares for a divisor.
  ///
  /// - Precondition: it is positive and below 2^32.
  init(_ divisor: Int) {
    precondition(divisor > 0 && divisor <= Int(UInt32.max), "A divisor has 32 bits.")
    self.divisor = divisor
    factor = divisor == 1 ? 0 : UInt64.max / UInt64(divisor) + 1
  }

  /// The quotient, rounded down.
  ///
  /// - Precondition: the number is not negative and below 2^32.
  @inline(__always)
  func quotient(_ number: Int) -> Int {
    assert(number >= 0 && number <= Int(UInt32.max), "A dividend has 32 bits.")
    guard factor != 0 else { return number }
    return Int(
      truncatingIfNeeded: UInt64(truncatingIfNeeded: number).multipliedFullWidth(by: factor).high)
  }

  /// The quotient and what is left.
  @inline(__always)
  func split(_ number: Int) -> (quotient: Int, remainder: Int) {
    let quotient = quotient(number)
    return (quotient, number &- quotient &* divisor)
  }

  /// What is left of a number.
  func remainder(_ number: Int) -> Int { split(number).remainder }
}
