import Testing
import WeftFiles

@Suite struct MeasurementFileTests {
  private func read(_ text: String) throws -> MeasurementFile {
    try MeasurementFile(text: text, file: "m.csv")
  }

  // MARK: - CSV

  @Test func `a row has its fields, whatever the order of columns`() throws {
    let file = try read(
      """
      time_us,size_bytes,extra,nodes,ranks,gpus_per_node,inplace,system,num_blocks,chunk_parameter
      12.5,4096.0,"a, ""b"" c",2.0,8,4,1,Perlmutter,16,32768
      """)
    let row = try #require(file.measurements.first)
    #expect(file.measurements.count == 1 && file.unusable.isEmpty)
    #expect(row.microseconds == 12.5 && row.bytes == 4096 && row.line == 2)
    #expect(row.nodes == 2 && row.ranks == 8 && row.gpusPerNode == 4 && row.inPlace == true)
    #expect(row.blocks == 16 && row.chunk == 32768)
    #expect(row.system == "Perlmutter" && row.cells["extra"] == "a, \"b\" c")
    #expect(row.library == nil && row.dataType == nil)
  }

  @Test func `byte order mark, carriage returns, blank lines and no last line feed are taken`()
    throws
  {
    let file = try read("\u{FEFF}size_bytes,time_us\r\n\r\n8,1\r\n\n16, 2 ")
    #expect(file.measurements.map(\.bytes) == [8, 16])
    #expect(file.measurements.map(\.microseconds) == [1, 2])
    #expect(file.measurements.map(\.line) == [3, 5])
  }

  @Test func `a quoted cell may hold a line feed, which counts as a line`() throws {
    let file = try read("size_bytes,time_us,source\n8,1,\"two\nlines\"\n16,2,x\n")
    #expect(file.measurements.map(\.line) == [2, 4])
    #expect(file.measurements[0].source == "two\nlines")
  }

  @Test func `rows without a size or a time, and cut ones, are listed with the reason`() throws {
    let file = try read("size_bytes,time_us,gpu\n,1,a\n8,,a\n0,1,a\n8,1\n8,1,a\n")
    #expect(file.measurements.map(\.line) == [6])
    #expect(
      file.unusable.map { "\($0.line) \($0.reason)" } == [
        "2 size_bytes is blank", "3 time_us is blank", "4 the message is empty",
        "5 the row has 2 cells, the header 3",
      ])
  }

  @Test(arguments: [
    ("", "m.csv", "the file is empty"),
    ("\n\n", "m.csv", "the file is empty"),
    ("size_bytes,time_us\n", "m.csv", "there is no measurement in the file"),
    (
      "size,time_us\n8,1\n", "m.csv:1",
      "the header lacks the column 'size_bytes'; it has size,time_us"
    ),
    (
      "size_bytes,time_ms\n8,1\n", "m.csv:1",
      "the header lacks the column 'time_us'; it has size_bytes,time_ms"
    ),
    ("size_bytes,time_us,gpu,gpu\n8,1,a,b\n", "m.csv:1", "the column 'gpu' is there twice"),
    (
      "size_bytes,time_us\n8,nan\n", "m.csv:2",
      "time_us 'nan' is not a time above zero and below 1e10 us"
    ),
    (
      "size_bytes,time_us\n8,inf\n", "m.csv:2",
      "time_us 'inf' is not a time above zero and below 1e10 us"
    ),
    (
      "size_bytes,time_us\n8,1\n8,-3\n", "m.csv:3",
      "time_us '-3' is not a time above zero and below 1e10 us"
    ),
    (
      "size_bytes,time_us\n8,0\n", "m.csv:2",
      "time_us '0' is not a time above zero and below 1e10 us"
    ),
    (
      "size_bytes,time_us\n8,1e300\n", "m.csv:2",
      "time_us '1e300' is not a time above zero and below 1e10 us"
    ),
    (
      "size_bytes,time_us\n8,fast\n", "m.csv:2",
      "time_us 'fast' is not a time above zero and below 1e10 us"
    ),
    ("size_bytes,time_us\n8.5,1\n", "m.csv:2", "size_bytes '8.5' is not a whole number"),
    ("size_bytes,time_us\n8K,1\n", "m.csv:2", "size_bytes '8K' is not a whole number"),
    ("size_bytes,time_us\n-8,1\n", "m.csv:2", "size_bytes '-8' is out of range"),
    ("size_bytes,time_us\n1e300,1\n", "m.csv:2", "size_bytes '1e300' is not a whole number"),
    ("size_bytes,time_us,nodes\n8,1,0\n", "m.csv:2", "nodes '0' is out of range"),
    ("size_bytes,time_us,inplace\n8,1,maybe\n", "m.csv:2", "inplace 'maybe' is neither 0 nor 1"),
    (
      "size_bytes,time_us\n1073741824,4.5\n", "m.csv:2",
      "1073741824 bytes in 4.5 us are faster than the memory of any GPU"
    ),
    ("size_bytes,time_us\n\"8,1\n9,2\n", "m.csv:2", "a quoted cell does not end"),
    ("size_bytes,time_us\n\"8\"9,1\n", "m.csv:2", "there is text after the quoted cell '8'"),
    ("{\"version\": 3}", "m.csv:1", "the JSON has no list 'results', as nccl-tests writes it"),
  ])
  func `what is wrong with a whole file is an error with its place`(
    text: String, place: String, problem: String
  ) {
    let error = #expect(throws: InputError.self) { try read(text) }
    #expect(error?.kind == .badContent)
    #expect(error?.place == place)
    #expect(error?.problem == problem)
    #expect(error?.fix?.isEmpty == false)
  }

  @Test func `a missing file is missing`() {
    let error = #expect(throws: InputError.self) { try MeasurementFile(path: "nowhere.csv") }
    #expect(error?.kind == .missing)
  }

  @Test func `cells match by a part in any case, numbers by value, blanks never`() throws {
    let row = try #require(
      try read("size_bytes,time_us,system,nodes,gpu\n8,1,Alps GH200,16,\n").measurements.first)
    #expect(row.matches(column: "system", "gh200"))
    #expect(!row.matches(column: "system", "polaris"))
    #expect(row.matches(column: "nodes", "16.0") && !row.matches(column: "nodes", "1"))
    #expect(!row.matches(column: "gpu", "a"))
  }

  // MARK: - nccl-tests

  private let output = """
    srun: job 7 queued
    # nccl-tests version 2.17.8 nccl-headers=22703 nccl-library=22703
    # Collective test starting: all_reduce_perf
    # nThread 1 nGpus 1 minBytes 8 maxBytes 16 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
    #
    # Using devices
    #  Rank  0 Group  0 Pid   1001 on    node0 device  0 [0000:07:00] NVIDIA A100-SXM4-40GB
    #  Rank  1 Group  0 Pid   1002 on    node0 device  1 [0000:0f:00] NVIDIA A100-SXM4-40GB
    #  Rank  2 Group  0 Pid   1001 on    node1 device  0 [0000:07:00] NVIDIA A100-SXM4-40GB
    #  Rank  3 Group  0 Pid   1002 on    node1 device  1 [0000:0f:00] NVIDIA A100-SXM4-40GB
    node0:1001:1001 [0] NCCL INFO Using network AWS Libfabric
    #
    #                                                              out-of-place                       in-place
    #       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
    #        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)
               8             2     float     sum      -1    28.52    0.00    0.00       0    24.70    0.00    0.00       0
              16             4     float     sum      -1    24.96    0.00    0.00       3    25.10    0.00    0.00     N/A
               0             0     float     sum      -1     0.10    0.00    0.00       0     0.10    0.00    0.00       0
    # Out of bounds values : 0 OK
    # Avg bus bandwidth    : 1.2
    # Collective test concluded: all_reduce_perf
    """

  @Test func `both sides of a line are rows, with what the header says`() throws {
    let file = try read(output)
    #expect(file.measurements.map(\.microseconds) == [28.52, 24.70, 25.10])
    #expect(file.measurements.map(\.inPlace) == [false, true, true])
    #expect(file.measurements.map(\.bytes) == [8, 8, 16])
    let row = try #require(file.measurements.first)
    #expect(row.nodes == 2 && row.ranks == 4 && row.gpusPerNode == 2 && row.line == 16)
    #expect(row.library == "nccl" && row.version == "2.27.3" && row.collective == "all-reduce")
    #expect(row.gpu == "NVIDIA A100-SXM4-40GB" && row.dataType == "float" && row.launch == "eager")
    #expect(
      file.unusable.map { "\($0.line) \($0.reason)" } == [
        "17 out of place: 3 elements of the result are wrong", "18 the message is empty",
      ])
  }

  @Test func `early output has no name, no root and no operation`() throws {
    let file = try MeasurementFile(
      text: """
        # nThread 1 nGpus 2 minBytes 8 maxBytes 8 step: 2(factor) graph: 1
        #  Rank  0 Pid   1001 on    node0 device  0 [0x07] A100
        #  Rank  1 Pid   1001 on    node0 device  1 [0x0f] A100
        #       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw  error
                  8             2   float             13.1    0.00    0.00  0e+00      N/A    0.00    0.00  1e-07
        """, file: "runs/all_gather_perf.txt")
    let row = try #require(file.measurements.first)
    #expect(file.measurements.count == 1 && file.unusable.isEmpty)
    #expect(row.microseconds == 13.1 && row.collective == "all-gather" && row.launch == "graph")
    #expect(row.version == nil && row.nodes == 1 && row.ranks == 2)
  }

  @Test func `tests after each other keep apart`() throws {
    let second =
      output
      .split(separator: "\n").map { $0.replacing("all_reduce", with: "alltoall") }
      .map { $0.replacing("22703", with: "2708") }.joined(separator: "\n")
    let file = try read(output + "\n" + second)
    #expect(file.measurements.map(\.ranks) == Array(repeating: 4, count: 6))
    #expect(
      file.measurements.map(\.collective)
        == ["all-reduce", "all-to-all"].flatMap {
          [$0, $0, $0]
        })
    #expect(file.measurements.last?.version == "2.7.8")
  }

  @Test func `host times, short lines and impossible times are refused line by line`() throws {
    let named =
      "# Collective test starting: all_reduce_perf\n# Rank 0 on node0 device 0\n"
      + "# Rank 1 on node0 device 1\n"
    let head = named + "# size count type redop root time algbw busbw #wrong\n"
    let host = try read(head.replacing(" time ", with: " cputime ") + "8 2 float sum -1 3 0 0 0\n")
    #expect(
      host.unusable.map(\.reason)
        == ["out of place: the time is that of the host (-C), not of the collective"])
    let bad = try read(
      head + "8 2 float sum\n8 2 float sum -1 0.00 0 0 0\n1073741824 2 float sum -1 4.5 0 0 0\n")
    #expect(
      bad.unusable.map(\.reason) == [
        "the row has 4 columns, the head 9",
        "out of place: '0.00' is not a time above zero and below 1e10 us",
        "1073741824 bytes in 4.5 us are faster than the memory of any GPU",
      ])
    let none = #expect(throws: InputError.self) { try read(head) }
    #expect(none?.problem == "there is no measurement in the file")
  }

  @Test func `rows without the head of their table are told as those of nccl-tests`() throws {
    let rows =
      "# Collective test starting: all_reduce_perf\n"
      + "   512  128  float  sum  -1  9.57  0.05  0.10  0  9.47  0.05  0.10  0\n"
    let error = #expect(throws: InputError.self) {
      try MeasurementFile(text: rows, file: "pasted.txt")
    }
    #expect(error?.place == "pasted.txt:2")
    #expect(error?.problem == "rows of nccl-tests without the head of their table")
  }

  @Test(arguments: [
    (false, false, "which test ran and on which GPUs"), (true, false, "on which GPUs"),
    (false, true, "which test ran"),
  ])
  func `a table without its test is told by its line, and lines put back above it do`(
    isNamed: Bool, hasRanks: Bool, lacking: String
  ) throws {
    let name = "# Collective test starting: all_reduce_perf\n"
    let ranks = "# Rank 0 on node0 device 0\n# Rank 1 on node1 device 0\n"
    let table = "# size count type redop root time algbw busbw #wrong\n8 2 float sum -1 9 0 0 0\n"
    let cut = "pasted\n" + (isNamed ? name : "") + (hasRanks ? ranks : "") + table
    let error = #expect(throws: InputError.self) { try read(cut) }
    #expect(error?.problem == "no line above the table says " + lacking)
    let line = 2 + (isNamed ? 1 : 0) + (hasRanks ? 2 : 0)
    #expect(error?.place == "m.csv:\(line)")
    let fix = try #require(error?.fix)
    // What the fix quotes is put back as it says, for both ranks.
    let quoted = fix.split(separator: "'").enumerated().filter { $0.offset % 2 == 1 }
    var above = ""
    for quote in quoted.map(\.element) {
      above += quote.replacing("HOST", with: "node0") + "\n"
      if quote.contains("Rank") { above += "# Rank 1 on node1 device 0\n" }
    }
    let mended = try read(cut.replacing("# size", with: above + "# size"))
    let row = try #require(mended.measurements.first)
    #expect(row.collective == "all-reduce" && row.ranks == 2 && row.nodes == 2)
    // Beside a sound test the rows are left out, with the reason.
    let both = try read(name + ranks + table + "# nThread 1\n" + (isNamed ? name : "") + table)
    #expect(both.measurements.count == 1 && both.unusable.count == 1)
    #expect(both.unusable[0].reason.hasPrefix("no line above the table says "))
  }
}
