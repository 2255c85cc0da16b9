import Testing

@testable import Weft

@Suite struct QuantityTests {
  @Test(arguments: [
    ("2 us", 2_000_000), ("2us", 2_000_000), ("1.5 ns", 1_500), ("0.6 us", 600_000),
    ("0 us", 0), ("7 ps", 7), ("3 ms", 3_000_000_000), ("1 s", 1_000_000_000_000),
    (" 4 us ", 4_000_000), ("0.4 ps", 0), ("0.5 ps", 1),
  ])
  func `a time is read to the picosecond`(text: String, picoseconds: Int64) throws {
    #expect(try Quantity.duration(text).picoseconds == picoseconds)
  }

  @Test(arguments: [
    ("25 GB/s", 25_000_000_000), ("200 Gb/s", 25_000_000_000), ("1 GiB/s", 1_073_741_824),
    ("3.35 TB/s", 3_350_000_000_000), ("31.5 GB/s", 31_500_000_000), ("8 kB/s", 8_000),
  ])
  func `a bandwidth is bytes per second, from bits too`(text: String, rate: Int) throws {
    #expect(try Quantity.bandwidth(text).bytesPerSecond == rate)
  }

  @Test(arguments: [
    ("40 GiB", 42_949_672_960), ("40 GB", 40_000_000_000), ("1 KiB", 1_024), ("1 kB", 1_000),
    ("0.5 MiB", 524_288), ("17 B", 17),
  ])
  func `KiB is a power of two and KB a power of ten`(text: String, bytes: Int) throws {
    #expect(try Quantity.size(text).bytes == bytes)
  }

  @Test(arguments: [
    ("8", 8), ("512K", 524_288), ("128M", 134_217_728), ("1G", 1_073_741_824), ("1KB", 1_000),
    ("4k", 4_096),
  ])
  func `a bare K, M or G of a message size is a power of two`(text: String, bytes: Int) throws {
    #expect(try Quantity.messageSize(text).bytes == bytes)
  }

  @Test func `arithmetic rates are operations per second`() throws {
    #expect(try Quantity.flops("312 TFLOP/s") == 312e12)
    #expect(try Quantity.flops("19.5 TFLOP/s") == 19.5e12)
  }

  @Test(arguments: [
    ("25", "'25' has no unit"), ("25 GB", "'25 GB' has the unknown unit 'GB'"),
    ("fast", "'fast' is not a bandwidth"), ("-25 GB/s", "'-25 GB/s' is not a bandwidth"),
    ("", "'' is not a bandwidth"), ("1.2.3 GB/s", "'1.2.3 GB/s' has the unknown unit '.3 GB/s'"),
    ("1e3 GB/s", "'1e3 GB/s' has the unknown unit 'e3 GB/s'"),
    ("99999999999 TB/s", "'99999999999 TB/s' is larger than Weft can count"),
    ("12345678901234567890 B/s", "'12345678901234567890 B/s' is larger than Weft can count"),
  ])
  func `what is no bandwidth is refused with the text`(text: String, problem: String) {
    let error = #expect(throws: QuantityError.self) { try Quantity.bandwidth(text) }
    #expect(error?.problem == problem)
    #expect(error?.fix.isEmpty == false)
  }

  @Test func `an error of a unit lists the units`() {
    let error = #expect(throws: QuantityError.self) { try Quantity.duration("2 usec") }
    #expect(
      error?.description
        == "'2 usec' has the unknown unit 'usec'; a time is written like '2 us' "
        + "(units: ps, ns, us, ms, s)")
  }

  @Test(arguments: [
    0, 1, 999, 1_000, 1_024_000, 334_575_360, 999_999_999_999,
    999_999_999_999_999_999,
  ])
  func `a printed time reads back as itself`(picoseconds: Int64) throws {
    let duration = SimDuration(picoseconds: picoseconds)
    #expect(try Quantity.duration(duration.description) == duration)
  }

  @Test(arguments: [1, 1_000, 25_000_000_000, 31_500_000_000, 4_800_000_000_000])
  func `a printed bandwidth reads back as itself`(rate: Int) throws {
    let bandwidth = Bandwidth(bytesPerSecond: rate)
    #expect(try Quantity.bandwidth(bandwidth.description) == bandwidth)
  }

  @Test(arguments: [0, 1, 1_023, 1_024, 1_025, 1 << 20, 3 << 30, 5 << 40])
  func `a printed size reads back as itself`(bytes: Int) throws {
    let size = ByteCount(bytes: bytes)
    #expect(try Quantity.size(size.description) == size)
  }

  @Test func `quantities print in the unit that suits them`() {
    #expect(SimDuration(picoseconds: 1_024_000).description == "1.024 us")
    #expect(SimDuration.zero.description == "0 ps")
    #expect(Bandwidth.gigabytesPerSecond(25).description == "25 GB/s")
    #expect(ByteCount.kib(256).description == "256 KiB")
    #expect(ByteCount(bytes: 1_500).description == "1500 B")
  }
}
