import Testing
import WeftFiles

/// The formats beside CSV and the text of nccl-tests.
@Suite struct MeasurementFormatTests {
  private func read(_ text: String, file: String = "m") throws -> MeasurementFile {
    try MeasurementFile(text: text, file: file)
  }

  // MARK: - nccl-tests' JSON

  private static let json = """
    {
      "version": 3,
      "args": ["./build/all_reduce_perf", "-b", "8"],
      "env": ["NCCL_ALGO=Ring", "HOME=/root"],
      "nccl_version": "22703",
      "config": {"graph": 20, "validation": "true", "devices": [
        {"rank": 0, "hostname": "a", "device_info": "NVIDIA H100"},
        {"rank": 1, "hostname": "b", "device_info": "NVIDIA H100"}]},
      "results": [
        {"size": 1024, "count": 256, "type": "float", "redop": "sum", "root": "    -1",
         "out_of_place": {"time": 12.5, "alg_bw": 0.1, "bus_bw": 0.1, "nwrong": 0},
         "in_place": {"time": 11, "alg_bw": 0.1, "bus_bw": 0.1, "nwrong": null}},
        {"size": 2048, "type": "float",
         "out_of_place": {"time": "nan"}, "in_place": null},
        {"size": 4096, "type": "float",
         "out_of_place": {"cpu_time": 3.5}, "in_place": {"time": 9, "nwrong": 7}}
      ]
    }
    """

  @Test func `nccl-tests' JSON has rows for both sides and what was set`() throws {
    let file = try read(Self.json)
    #expect(file.measurements.map(\.microseconds) == [12.5, 11])
    let row = try #require(file.measurements.last)
    #expect(row.bytes == 1024 && row.inPlace == true && row.line == 10)
    #expect(row.collective == "all-reduce" && row.version == "2.27.3" && row.library == "nccl")
    #expect(row.nodes == 2 && row.ranks == 2 && row.gpusPerNode == 1)
    #expect(row.launch == "graph" && row.environment == "NCCL_ALGO=Ring")
    #expect(row.dataType == "float" && row.gpu == "NVIDIA H100")
    #expect(
      file.unusable.map(\.reason) == [
        "out of place: 'nan' is not a time above zero and below 1e10 us",
        "out of place: the time is that of the host (-C), not of the collective",
        "in place: 7 elements of the result are wrong",
      ])
  }

  @Test(arguments: [
    ("{\"version\": 3}", "no list 'results'"), ("[]", "there is no measurement"),
    ("{\"results\": [", "this is not valid YAML"), ("{\"results\": []}", "no measurement"),
  ])
  func `other or broken JSON is an error`(text: String, problem: String) {
    let error = #expect(throws: InputError.self) { try read(text) }
    #expect(error?.problem.contains(problem) == true, "\(String(describing: error))")
  }

  // MARK: - NCCL Inspector

  @Test func `an Inspector's call is as long as on its slowest rank`() throws {
    func line(_ rank: Int, _ number: Int, _ time: String) -> String {
      "{\"header\":{\"id\":\"0xab\",\"rank\":\(rank),\"n_ranks\":2,\"nnodes\":1},"
        + "\"metadata\":{\"inspector_output_format_version\":\"v4.0\"},"
        + "\"coll_perf\":{\"coll\":\"ReduceScatter\",\"coll_sn\":\(number),"
        + "\"coll_msg_size_bytes\":65536,\"coll_exec_time_us\":\(time)}}\n"
    }
    let file = try read(
      line(0, 1, "20") + line(1, 1, "25") + line(0, 2, "30") + "not json\n" + line(1, 3, "0"))
    #expect(file.measurements.map(\.microseconds) == [25, 30])
    #expect(file.measurements.map(\.line) == [2, 3])
    let row = try #require(file.measurements.first)
    #expect(row.collective == "reduce-scatter" && row.ranks == 2 && row.nodes == 1)
    #expect(file.unusable.map(\.line) == [4, 5])
  }

  // MARK: - OSU

  @Test func `OSU tables have a collective each`() throws {
    let file = try read(
      """
      # OSU MPI-CUDA Allreduce Latency Test v7.3
      # Size       Avg Latency(us)
      4                      12.50
      8                       0.00

      # OSU NCCL Broadcast Latency Test v7.3
      # Size       Avg Latency(us)   Min Latency(us)
      1024                   20.00   19.00
      # OSU MPI Allgather Latency Test v7.3
      4                      30.00
      # OSU MPI Bandwidth Test v7.3
      4                      30.00
      """)
    #expect(file.measurements.map(\.collective) == ["all-reduce", "broadcast"])
    #expect(file.measurements.map(\.library) == [nil, "nccl"])
    #expect(file.measurements.map(\.line) == [3, 8])
    #expect(
      file.unusable.map(\.line) == [4, 10, 11, 12]
        && file.unusable[1].reason.contains("do not say the ranks") == false
        && file.unusable[1].reason.contains("OSU's sizes of all-gather"))
  }

  // MARK: - Other CSVs

  @Test(arguments: [
    ("gpu,m,n,k,time_us\na,1,2,3,4\n", "matrix products"),
    (
      "gpu,batch,query_heads,kv_heads,head_dim,kv_length,time_us\na,1,2,3,4,5,6\n",
      "attention kernels"
    ),
    ("what,model,tp,batch,context_or_bytes,time_us\na,b,1,1,1,1\n", "decode steps"),
    (
      "tensor_parallel,concurrency,prompt_tokens,output_tokens,ttft_ms,tpot_ms\n1,1,1,1,1,1\n",
      "a serving engine"
    ),
  ])
  func `a CSV of something else is told apart`(text: String, kind: String) {
    let error = #expect(throws: InputError.self) { try read(text, file: "m.csv") }
    #expect(error?.problem == "the file has times of \(kind), not of collectives")
  }

  @Test(arguments: [
    (
      "gpu,m,n,k,us\na,1,2,3,4\n", "matrix products",
      "the header lacks the column 'time_us'; it has gpu,m,n,k,us"
    ),
    (
      "model,ttft_ms,tpot_ms\na,1,1\n", "a serving engine",
      "the header lacks the columns 'tensor_parallel', 'concurrency', 'prompt_tokens', "
        + "'output_tokens'; it has model,ttft_ms,tpot_ms"
    ),
  ])
  func `what a CSV of something else lacks is told`(text: String, kind: String, lacking: String) {
    let error = #expect(throws: InputError.self) { try read(text, file: "m.csv") }
    #expect(error?.problem == "the file has times of \(kind), but \(lacking)")
    #expect(error?.fix?.hasPrefix("give the columns ") == true)
  }

  @Test func `a sample of a run is a CSV with columns of its own`() throws {
    let file = try read(
      "collective,algorithm,size_bytes,time_us,nodes,ranks,p05_us,p95_us,wrong\n"
        + "all-reduce,ring,1024,12.5,1,4,12,13,0\n")
    #expect(file.measurements.count == 1 && file.measurements[0].cells["p95_us"] == "13")
  }

  @Test(arguments: [
    ("m,n,time_us\n1,2,3\n", "matrix products", "'k'", "give the columns m,n,k,time_us"),
    ("n,k,time_us\n1,2,3\n", "matrix products", "'m'", "give the columns m,n,k,time_us"),
    (
      "m,n,k,time_ms\n1,2,3,4\n", "matrix products", "'time_us'",
      "'time_ms' is of milliseconds: multiply its times by 1000 and name the column time_us"
    ),
    (
      "tensor_parallel,concurrency,prompt_tokens,output_tokens,tpot_us\n1,1,1,1,1\n",
      "a serving engine", "'tpot_ms'",
      "'tpot_us' is of microseconds: divide its times by 1000 and name the column tpot_ms"
    ),
  ])
  func `a CSV of something else that lacks one column is still told apart`(
    text: String, kind: String, column: String, fix: String
  ) {
    let error = #expect(throws: InputError.self) { try read(text, file: "m.csv") }
    #expect(
      error?.problem.hasPrefix(
        "the file has times of \(kind), but the header lacks the column \(column);") == true)
    #expect(error?.place == "m.csv:1" && error?.fix == fix)
  }

  @Test(arguments: [
    ("time_ms", "'time_ms' is of milliseconds: multiply its times by 1000"),
    ("time_s", "'time_s' is of seconds: multiply its times by 1000000"),
    ("time_ns", "'time_ns' is of nanoseconds: divide its times by 1000"),
  ])
  func `times in another unit are converted by what the fix says`(column: String, fix: String) {
    let error = #expect(throws: InputError.self) {
      try read("size_bytes,\(column)\n8,1\n", file: "m.csv")
    }
    #expect(error?.fix == fix + " and name the column time_us")
    let both = #expect(throws: InputError.self) {
      try read("bytes,\(column)\n8,1\n", file: "m.csv")
    }
    #expect(both?.fix?.hasPrefix(fix + " and name the column time_us; ") == true)
    #expect(both?.fix?.contains("sizes are bytes in size_bytes") == true)
  }

  // MARK: - Times

  private static let refusal = "'1e10' is not a time above zero and below 1e10 us"

  @Test func `no format takes a time of hours`() throws {
    let csv = #expect(throws: InputError.self) { try read("size_bytes,time_us\n8,1e10\n") }
    #expect(csv?.problem == "time_us " + Self.refusal)
    let text = try read(
      "# Collective test starting: all_reduce_perf\n# Rank 0 on a device 0\n"
        + "# size count type redop root time algbw busbw #wrong\n8 2 float sum -1 1e10 0 0 0\n")
    let json = try read(
      "{\"results\": [{\"size\": 8, \"out_of_place\": {\"time\": \"1e10\"}}]}")
    let inspector = try read(
      "{\"coll_perf\": {\"coll\": \"AllReduce\", \"coll_msg_size_bytes\": 8, "
        + "\"coll_exec_time_us\": 1e10}}\n")
    let osu = try read("# OSU NCCL Allreduce Latency Test v7.3\n8 1e10\n")
    for (file, what) in [
      (text, "out of place: "), (json, "out of place: "), (inspector, "coll_exec_time_us "),
      (osu, "the average: "),
    ] {
      #expect(file.measurements.isEmpty && file.unusable.map(\.reason) == [what + Self.refusal])
    }
  }
}
