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
        "out of place: 'nan' is not a time above zero",
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
}
