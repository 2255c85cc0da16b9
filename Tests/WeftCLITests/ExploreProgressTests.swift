import ArgumentParser
import Testing

@testable import WeftCLI

@Suite struct ExploreProgressTests {
  private let progress: ExploreProgress

  init() throws {
    progress = ExploreProgress(of: 200, try GlobalOptions.parse([]))
  }

  @Test func `a bar has a share, a rate and the time that is left`() {
    #expect(
      progress.line(done: 50, computed: 50, after: .seconds(10))
        == "[######..................] 50 of 200, 5.0 points/s, 0:30 left")
    #expect(
      progress.line(done: 1, computed: 1, after: .seconds(40))
        == "[........................] 1 of 200, 0.0 points/s, 2:12:40 left")
  }

  @Test func `nothing is left at the end, and nothing known at the beginning`() {
    #expect(
      progress.line(done: 200, computed: 0, after: .milliseconds(100))
        == "[########################] 200 of 200, 2000 points/s")
    #expect(
      progress.line(done: 0, computed: 0, after: .zero)
        == "[........................] 0 of 200, 0.0 points/s")
  }
}
