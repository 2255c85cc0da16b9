import TestSupport
import Testing

@testable import Weft

@Suite struct DividerTests {
  @Test(arguments: [1, 2, 3, 7, 10, 64, 641, 65_537, 1 << 31, Int(UInt32.max)])
  func `a multiplication divides`(divisor: Int) {
    var random = SeededGenerator(seed: UInt64(divisor))
    let divider = Divider(divisor)
    let near = [0, divisor - 1, divisor, divisor + 1, 5 * divisor - 1, 5 * divisor]
    let others = (0..<1000).map { _ in Int.random(in: 0...Int(UInt32.max), using: &random) }
    for number in near.filter({ $0 <= Int(UInt32.max) }) + others + [Int(UInt32.max)] {
      let (quotient, remainder) = divider.split(number)
      #expect(quotient == number / divisor && remainder == number % divisor, "\(number)")
      #expect(divider.remainder(number) == remainder)
    }
  }
}
