import Testing
import Weft

@Suite struct SuggestionTests {
  let paths = ["node.gpus", "node.scale_up.bandwidth", "network.bandwidth", "network.latency"]

  @Test func `a slip of the finger finds its name`() {
    #expect(Suggestion.closest(to: "perlmuter", among: ["vista", "perlmutter"]) == "perlmutter")
    #expect(Suggestion.closest(to: "NVRAR", among: ["ring", "nvrar"]) == "nvrar")
  }

  @Test func `nothing near is no suggestion`() {
    #expect(Suggestion.closest(to: "frontier", among: ["vista", "flat"]) == nil)
    #expect(Suggestion.closest(to: "x", among: []) == nil)
  }

  @Test func `the last part of a path is enough`() {
    #expect(
      Suggestion.nearest(to: "bandwidth", among: paths, count: 2)
        == ["node.scale_up.bandwidth", "network.bandwidth"])
  }

  @Test func `nearest names come best first`() {
    #expect(Suggestion.nearest(to: "network.latncy", among: paths, count: 1) == ["network.latency"])
  }
}
