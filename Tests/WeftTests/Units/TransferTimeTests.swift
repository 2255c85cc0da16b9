import Testing
import Weft

@Suite struct TransferTimeTests {
  @Test func `1 KiB at 1 GB per second takes 1.024 us exactly`() {
    let time = ByteCount.kib(1) / .gigabytesPerSecond(1)
    #expect(time.picoseconds == 1_024_000)
    #expect(time.description == "1.024 us")
  }

  @Test func `a time rounds up, so that no transfer beats its link`() {
    #expect(Bandwidth(bytesPerSecond: 3).time(toMove: 1).picoseconds == 333_333_333_334)
    #expect(Bandwidth(bytesPerSecond: 4).time(toMove: 1).picoseconds == 250_000_000_000)
    #expect(Bandwidth.gigabytesPerSecond(25).time(toMove: 0) == .zero)
  }

  @Test func `products beyond 64 bits are exact`() {
    // 10 TiB x 10^12 does not fit in 64 bits.
    let bytes = 10 << 40
    let time = Bandwidth.gigabytesPerSecond(1).time(toMove: bytes)
    #expect(time.picoseconds == Int64(bytes) * 1_000)
  }

  @Test func `a time beyond 106 days is held there`() {
    #expect(Bandwidth(bytesPerSecond: 1).time(toMove: .max).picoseconds == .max)
  }

  @Test(arguments: [1, 7, 1_024, 1_000_003, 1 << 30])
  func `twice the bandwidth takes half the time, up to the rounding`(bytes: Int) {
    let slow = Bandwidth.gigabytesPerSecond(25).time(toMove: bytes).picoseconds
    let fast = Bandwidth.gigabytesPerSecond(50).time(toMove: bytes).picoseconds
    #expect(abs(2 * fast - slow) <= 1)
  }
}
