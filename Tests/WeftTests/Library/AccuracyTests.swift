import Testing

@testable import Weft

@Suite struct AccuracyTests {
  private func call(
    _ bytes: Int, _ measured: [Double], _ predicted: Double, system: String? = "s", nodes: Int = 2
  ) -> Accuracy.Call {
    Accuracy.Call(
      group: Accuracy.Group(
        system: system, library: "nccl", version: "2.27.3", collective: "all-reduce", nodes: nodes,
        ranks: 4 * nodes, launch: .eager), bytes: bytes, measured: measured, predicted: predicted)
  }

  @Test func `the error is predicted over the best measured, less one`() {
    #expect(call(8, [10, 8, 20], 10).error == 0.25)
    #expect(call(8, [10], 5).error == -0.5)
  }

  @Test func `median, percentile and bias of hand-made pairs`() throws {
    // Errors: +10, -20, +30, -40, +50 percent.
    let calls = [110.0, 80, 130, 60, 150].map { call(8, [100], $0) }
    let summary = try #require(Accuracy.summary(of: calls))
    #expect(summary.calls == 5)
    #expect(abs(summary.medianAbsolutePercent - 30) < 1e-9)
    // Between 40 and 50, at 0.95 * 4 = 3.8.
    #expect(abs(summary.p95AbsolutePercent - 48) < 1e-9)
    #expect(abs(summary.biasPercent - 10) < 1e-9)
    #expect(summary.noise == nil)
    #expect(Accuracy.summary(of: []) == nil)
  }

  @Test func `noise is how far repeats are above the best`() throws {
    let calls = [call(8, [110, 100], 100), call(16, [200, 260, 240], 200), call(32, [7], 7)]
    let summary = try #require(Accuracy.summary(of: calls))
    let noise = try #require(summary.noise)
    // Excesses: 10, 20 and 30 percent.
    #expect(noise.repeats == 3)
    #expect(abs(noise.medianPercent - 20) < 1e-9 && abs(noise.p95Percent - 29) < 1e-9)
    #expect(summary.medianAbsolutePercent == 0)
  }

  @Test(arguments: [
    (1, "small"), ((64 << 10) - 1, "small"), (64 << 10, "decode"), (2 << 20, "decode"),
    ((2 << 20) + 1, "large"), (1 << 40, "large"),
  ])
  func `a size is in one window beside all`(bytes: Int, window: String) {
    let windows = Accuracy.Window.allCases.filter { $0.contains(bytes) }.map(\.rawValue)
    #expect(windows == ["all", window])
  }

  @Test func `groups come in order, with the windows that have calls`() {
    let table = Accuracy.table(of: [
      call(8, [1], 1, system: "b"), call(8, [1], 1, nodes: 16), call(4 << 20, [1], 1, nodes: 4),
      call(8, [1], 1, nodes: 4), call(8, [1], 1, system: nil),
    ])
    let lines = table.map {
      "\($0.group.system ?? "-") \($0.group.nodes) \($0.window.rawValue) \($0.summary.calls)"
    }
    #expect(
      lines == [
        "- 2 all 1", "- 2 small 1", "b 2 all 1", "b 2 small 1", "s 4 all 2", "s 4 small 1",
        "s 4 large 1", "s 16 all 1", "s 16 small 1",
      ])
  }

  @Test func `quantiles lie on straight lines between values`() {
    #expect(Accuracy.quantile([], 0.5) == nil)
    #expect(Accuracy.quantile([3], 0.95) == 3)
    #expect(Accuracy.quantile([1, 2], 0.5) == 1.5)
    #expect(Accuracy.quantile([0, 10, 20], 1) == 20)
  }
}
