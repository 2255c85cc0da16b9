import Testing
import Weft

@Suite struct AmountTests {
  @Test(arguments: [
    ("64", Amount.Kind.number, 64.0, ""), ("0.25", .number, 0.25, ""), ("-3", .number, -3, ""),
    ("128M", .number, 134_217_728, ""), ("2 us", .time, 2e-6, "us"), ("500ns", .time, 5e-7, "ns"),
    ("25 GB/s", .bandwidth, 25e9, "GB/s"), ("200 Gb/s", .bandwidth, 25e9, "Gb/s"),
    ("40 GiB", .memory, 42_949_672_960, "GiB"), ("312 TFLOP/s", .arithmetic, 312e12, "TFLOP/s"),
  ])
  func `the unit tells what an amount is of`(
    text: String, kind: Amount.Kind, value: Double, unit: String
  ) throws {
    let amount = try #require(Amount(text))
    #expect(amount.kind == kind && amount.unit == unit)
    #expect(abs(amount.value - value) <= 1e-12 * abs(value))
  }

  @Test(arguments: ["", "fast", "tp8", "2 uss", "nan", "inf", "8Q", "nccl:ring/ll"])
  func `anything else is none`(text: String) {
    #expect(Amount(text) == nil)
  }

  @Test(arguments: [
    (0.0, "0"), (2.0, "2"), (0.1234567, "0.123457"), (1234567.8, "1234568"), (-0.5, "-0.5"),
    (1e-7, "0.0000001"), (25.0, "25"),
  ])
  func `numbers are written without exponents`(value: Double, text: String) {
    #expect(Amount.text(value) == text)
  }
}
