import TestSupport
import Testing

/// Rows of collectives that name more GPUs than there are.
@Suite struct MeasuredCallTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func validated(_ row: String) throws -> WeftProcess {
    let path = try folder.write(
      "library,collective,gpus_per_node,nodes,ranks,size_bytes,time_us\n"
        + "nccl,all-reduce,8,2,16,1024,30\nnccl,all-reduce,\(row),1024,30\n", to: "rows.csv")
    return try WeftProcess(
      "validate --topology dgx-h100 --measurements \(path)".split(separator: " ").map(String.init))
  }

  @Test(arguments: [
    ("2,2,8", "4 ranks on each of 2 nodes, and gpus_per_node is 2"),
    ("4,2,7", "7 ranks are not as many on each of 2 nodes"),
    ("8,16,8", "8 ranks are not as many on each of 16 nodes"),
    ("16,1,16", "16 ranks per node: a node of 'dgx-h100' has 1 to 8 GPUs"),
    ("8,1,1", "a lone rank sends nothing"),
    ("8,,12", "the row does not say how many nodes it is of"),
    ("4503599627370496,4503599627370496,", "4503599627370496 nodes: 'dgx-h100' has 1 to"),
  ])
  func `ranks that cannot be are left out with line and reason`(row: String, reason: String) throws
  {
    let outcome = try validated(row)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("rows.csv:3: " + reason), "\(outcome.output)")
    #expect(outcome.output.contains("# overall: 1 calls"))
  }

  @Test(arguments: ["8,2,4", "8,2,", "8,,24", ",2,8"])
  func `a node may have GPUs that are not in use`(row: String) throws {
    let outcome = try validated(row)
    #expect(outcome.status == 0 && !outcome.output.contains("not used"), "\(outcome.output)")
  }
}
