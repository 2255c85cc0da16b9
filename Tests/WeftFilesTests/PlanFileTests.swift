import CWeftPlan
import Foundation
import Testing

@testable import Weft
@testable import WeftFiles

/// Plans for the runtime: written only if proved, and read only if every number in them is sound.
@Suite struct PlanFileTests {
  private func plan(
    _ algorithm: AlgorithmName, ranks: Int = 4, perNode: Int = 2, elements: Int = 64,
    type: DataType = .fp32
  ) throws -> RuntimePlan {
    try VerificationCase(
      algorithm: algorithm, layout: Layout(nodes: ranks / perNode, ranksPerNode: perNode),
      elements: elements, inPlace: false
    ).runtimePlan(name: "test", type: type, slots: 8)
  }

  @Test(arguments: PlainAlgorithm.allCases.filter { $0.collectives.contains(.allReduce) })
  func `every all-reduce becomes a plan that its reader accepts`(algorithm: PlainAlgorithm) throws {
    let perNode = algorithm == .oneShot || algorithm == .twoShot ? 4 : 2
    let plan = try plan(.plain(algorithm), perNode: perNode)
    let summary = try PlanFile.check(try PlanFile.data(plan), kind: .badContent, place: "here")
    #expect(summary.ranks == 4 && summary.ranksPerNode == perNode && summary.elements == 64)
    #expect(summary.operations == plan.bodies.joined().joined().count && summary.operations > 0)
    #expect(summary.algorithm == "test" && summary.slots == plan.slots)
  }

  @Test func `calls that differ are bodies of their own`() throws {
    // NVRAR's first call waits for no handshake; one-shot puts take turns between two halves.
    let nvrar = try plan(.nvrar(nil))
    #expect(nvrar.bodies.count == 2 && nvrar.period == 1)
    // NCCL's rings in the node send and receive beside the puts between nodes.
    let rings = try plan(.nvrar(.nccl))
    let kinds = Set(rings.bodies.joined().joined().map(\.kind))
    #expect(rings.bodies.count == 2 && kinds.isSuperset(of: [.transfer, .put, .wait]))
    let puts = try plan(.plain(.allPairsPut))
    #expect(puts.bodies.count == 2 && puts.period == 2)
    #expect(try plan(.plain(.ring)).bodies.count == 1)
  }

  @Test func `large messages get fewer slots, and the proof is of those`() throws {
    #expect(try plan(.plain(.recursiveDoubling)).slots == 8)
    #expect(try plan(.plain(.recursiveDoubling), elements: 1 << 26).slots == 2)
  }

  @Test func `a schedule that is not proved, or a type that is not added, is no plan`() throws {
    #expect(throws: PlanError.self) { try plan(.plain(.ring), type: .fp8) }
    let verification = VerificationCase(
      algorithm: .plain(.ring), layout: Layout(nodes: 1, ranksPerNode: 4), elements: 64,
      inPlace: false)
    // A ring of whole chunks runs with two slots, so the plan has no fewer.
    #expect(try verification.runtimePlan(name: "ring", type: .bf16, slots: 1).slots == 2)
  }

  /// Every 8-byte word of a small plan with wrong values and a right checksum: the reader never reads
  /// outside, and refuses what no plan can have.
  @Test func `no changed word leads the reader astray`() throws {
    let good = [UInt8](try PlanFile.data(try plan(.plain(.hierarchical), elements: 8)))
    let headerWords = MemoryLayout<weft_plan_header>.size / 8
    let operationWords = MemoryLayout<weft_plan_operation>.size / 8
    let operations = try PlanFile.check(Data(good), kind: .badContent, place: "x").operations
    let firstOperation = good.count / 8 - operations * operationWords
    for word in 0..<(good.count / 8) {
      for value in [0, UInt64.max, 1 << 40, 1 << 63] {
        let accepted = isAccepted(good, word: word, value)
        let isCount =
          word >= firstOperation
          && (word - firstOperation) % operationWords == operationWords - 1
        let isKind = word >= firstOperation && (word - firstOperation) % operationWords == 0
        // The size in bytes and the names at the header's end are for people.
        let isHeader = (4..<(headerWords - 9)).contains(word) && word != 11
        let mayBeAnything = !(isCount || isKind || isHeader)
        #expect(mayBeAnything || value == 0 || !accepted, "word \(word) is \(value)")
      }
    }
  }

  private func isAccepted(_ good: [UInt8], word: Int, _ value: UInt64) -> Bool {
    var bytes = good
    withUnsafeBytes(of: value.littleEndian) { word8 in
      for index in 0..<8 { bytes[word * 8 + index] = word8[index] }
    }
    let sum = bytes.withUnsafeBytes { weft_plan_checksum($0.baseAddress, $0.count) }
    withUnsafeBytes(of: sum.littleEndian) { word8 in
      for index in 0..<8 { bytes[24 + index] = word8[index] }
    }
    return (try? PlanFile.check(Data(bytes), kind: .badContent, place: "x")) != nil
  }

  @Test func `damaged files are told from foreign ones`() throws {
    let good = try PlanFile.data(try plan(.plain(.ring)))
    func problem(_ data: Data) -> String {
      do {
        _ = try PlanFile.check(data, kind: .badContent, place: "f")
        return "none"
      } catch { return error.problem }
    }
    #expect(problem(good) == "none")
    #expect(problem(good.dropLast(8)).contains("cut off"))
    #expect(problem(good.prefix(20)).contains("ends within the header"))
    #expect(problem(Data("hello, world".utf8)).contains("no plan of Weft"))
    #expect(problem(Data()).contains("no plan of Weft"))
    var bytes = good
    bytes[bytes.count - 3] ^= 1
    #expect(problem(bytes).contains("checksum"))
    bytes = good
    bytes[8] = 9
    #expect(problem(bytes).contains("version 9"))
  }
}
