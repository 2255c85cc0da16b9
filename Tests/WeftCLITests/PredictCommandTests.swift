import Foundation
import TestSupport
import Testing

@Suite struct PredictCommandTests {
  /// Runs `weft predict` for a small model on Perlmutter, with further arguments.
  private func predict(_ arguments: String, model: String = "llama-3.1-8b") throws -> WeftProcess {
    try WeftProcess(
      ["predict", "--model", model, "--topology", "perlmutter"]
        + arguments.split(separator: " ").map(String.init))
  }

  @Test(arguments: [
    ("--gpus 0", "0 GPUs cannot run a model", "give at least 1"),
    ("--gpus -4", "-4 GPUs cannot run a model", "give at least 1"),
    ("--gpus 4,x", "--gpus 4,x: 'x' is not a number of GPUs", "write a list like"),
    ("--gpus 6", "6 GPUs are no whole number of perlmutter's nodes of 4", "use 4 or 8"),
    ("--gpus 4 --batch -1", "the batch is -1", "give at least 1"),
    ("--gpus 4 --decode 0", "the decode is 0", "give at least 1"),
    ("--gpus 4 --prompt 200000", "longer than the 131072 positions", "shorten"),
    (
      "--gpus 4 --engine vlm", "--engine: 'vlm' is not known",
      "use one of sglang, torch-graph, trtllm, vllm, yalis"
    ),
    ("--gpus 4 --plan foo", "'foo' is not a plan", "write tp, tp8"),
    ("--gpus 4 --plan tp4xep2", "is dense: there are no experts", "nearest legal plan: tp4"),
    ("--gpus 9999999999", "nodes, but perlmutter has 1536", "ask for at most 6144 GPUs"),
    ("--gpus 4 --kv-dtype q4", "--kv-dtype: 'q4' is not known", "fp8"),
    ("--gpus 4 --plan tp8", "tp8 takes 8 GPUs, not 4", "nearest legal plan: tp4"),
    ("--gpus 4 --all-reduce ncll", "--all-reduce: 'ncll' is not known", "did you mean 'nccl'?"),
    ("--gpus 4 --dtype q4", "--dtype: 'q4' is not known", "bf16"),
    ("--gpus 4 --dtype fp8", "a100-40gb has no matrix products of fp8", "use one of"),
  ])
  func `wrong usage is one line, a fix and 64`(
    arguments: String, problem: String, fix: String
  ) throws {
    let outcome = try predict(arguments)
    #expect(outcome.status == 64)
    #expect(outcome.output.isEmpty)
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.hasPrefix("weft: error: ") == true && lines[0].contains(problem))
    #expect(lines.last?.hasPrefix("  fix: ") == true && lines[1].contains(fix))
  }

  @Test func `models that are not there or not sound have their own codes`() throws {
    let unknown = try predict("--gpus 4", model: "llama-3.1-7b")
    #expect(unknown.status == 66)
    #expect(
      unknown.errors.contains("did you mean 'llama-3.1-70b'?")
        || unknown.errors.contains("did you mean 'llama-3.1-8b'?"))
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "{\n\"model_type\": \"llama\",\n\"num_attention_heads\": 8\n}", to: "config.json")
    let incomplete = try predict("--gpus 4", model: file)
    #expect(incomplete.status == 65)
    #expect(
      incomplete.errors.hasPrefix(
        "weft: error: \(file):1: the file lacks the key 'hidden_size'\n"))
  }

  @Test func `auto prints its front and says what it searched`() throws {
    let outcome = try predict(
      "--gpus 8 --plan auto --batch 4 --prompt 64 --decode 32 --format json")
    #expect(outcome.status == 0)
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let results = try #require(root["results"] as? [[String: Any]])
    #expect(!results.isEmpty && results.allSatisfy { $0["pareto"] as? Bool == true })
    #expect((root["front"] as? [Any])?.count == results.count)
    let search = try #require((root["searches"] as? [[String: Any]])?.first)
    let counts = ["legal", "fit", "ruled_out", "priced"].compactMap { search[$0] as? Int }
    #expect(counts.count == 4 && counts[1] == counts[2] + counts[3] && counts[3] >= results.count)
  }

  @Test func `a sweep is a row per GPU count, plan and all-reduce`() throws {
    let outcome = try predict(
      "--gpus 4,6,8 --plan tp,tp4xpp --all-reduce nccl,nvrar --batch 4 --prompt 64 --decode 32 "
        + "--format json")
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let results = try #require(root["results"] as? [[String: Any]])
    #expect(results.count == 12)
    for result in results {
      for key in [
        "model", "topology", "gpus", "nodes", "plan", "all_reduce", "engine", "batch", "prompt",
        "decode", "ttft_ms", "tpot_ms", "latency_s", "tokens_per_s", "tokens_per_s_per_gpu",
        "memory_GiB_per_gpu", "fits", "reason", "speedup", "efficiency", "breakdown_ms",
        "bottleneck", "tpot_low_ms", "tpot_high_ms",
      ] {
        #expect(result[key] != nil, "\(key)")
      }
      let breakdown = try #require(result["breakdown_ms"] as? [String: [String: Any]])
      guard result["fits"] as? Bool == true else {
        #expect(result["gpus"] as? Int == 6 && result["ttft_ms"] is NSNull)
        #expect((result["reason"] as? String)?.contains("use 4 or 8") == true)
        continue
      }
      for (phase, key) in [("prefill", "ttft_ms"), ("decode", "tpot_ms")] {
        let parts = try #require(breakdown[phase] as? [String: Double])
        let total = try #require(result[key] as? Double)
        #expect(parts.count == 9)
        #expect(abs(parts.values.reduce(0, +) / total - 1) < 1e-9)
      }
      let latency = try #require(result["latency_s"] as? Double)
      let ttft = try #require(result["ttft_ms"] as? Double)
      let tpot = try #require(result["tpot_ms"] as? Double)
      #expect(abs((ttft + 31 * tpot) / 1e3 / latency - 1) < 1e-9)
    }
  }

  @Test func `the table names the bottleneck and why a row is empty`() throws {
    let outcome = try WeftProcess([
      "predict", "--model", "llama-3.1-405b", "--topology", "perlmutter", "--gpus", "16,32",
    ])
    #expect(outcome.status == 0)
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines[0].hasPrefix("# llama-3.1-405b on perlmutter: batch 8, prompt 1024"))
    #expect(lines[1].split(separator: " ").suffix(2) == ["bottleneck", "reason"])
    #expect(lines[2].contains("GiB of 40 GiB per GPU: weights"))
  }

  @Test func `what would help stands below the table and in the JSON`() throws {
    let arguments =
      "--gpus 4 --batch 1,4 --prompt 16 --decode 4 --what-if gpu.memory_bandwidth=+100% --explain"
    let outcome = try predict(arguments)
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("# what if gpu.memory_bandwidth=+100%: tp4, nccl, batch 1: "))
    #expect(outcome.output.contains("gpu.memory_bandwidth=+10% gives -"))
    #expect(outcome.output.contains("# bottleneck: what binds the largest part"))
    let json = try predict(arguments + " --format json")
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect((root["what_if"] as? [Any])?.count == 2)
    #expect((root["sensitivity_pct"] as? [Any])?.count == 2)
  }

  @Test func `what cannot change is said, and the JSON holds what the table says`() throws {
    let outcome = try predict(
      "--gpus 4,128 --plan tp --batch 1 --prompt 16 --decode 4 --what-if network.latency=-50% "
        + "--explain --format json")
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let change = try #require((root["what_if"] as? [[String: Any]])?.first)
    #expect(change["tpot_change_pct"] as? Double == 0)
    #expect((root["definitions"] as? [String])?.contains { $0.hasPrefix("ttft_ms: ") } == true)
    #expect(root["crossovers"] is [Any] && root["all_reduce_choices"] is [Any])
    let rows = try #require(root["results"] as? [[String: Any]])
    #expect(rows.map { $0["plan"] as? String } == ["tp4", "tp128"])
    let table = try predict("--gpus 4 --batch 1,2 --decode 4 --what-if network.latency=-50%")
    #expect(table.output.contains("latency +0.0 %, TPOT +0.0 %: nothing leaves the node"))
    let front = try predict("--gpus 4 --batch 1,2 --decode 4 --format json")
    #expect(front.output.contains("\"front\""))
  }

  @Test(arguments: [
    ("--study nvrar-paper --gpus 4 --explain", 64, "--gpus, --explain would be unused"),
    ("--study all-reduce-map", 64, "run 'weft explore all-reduce-map --store FILE'"),
    ("--study none", 66, "shipped are nvrar-paper;"),
    ("--topology flat --model llama-3.1-8b --gpus 1 --where x=1", 64, "rows of --measured"),
  ])
  func `a study takes no other options, and is one that predict can run`(
    arguments: String, status: Int32, problem: String
  ) throws {
    let outcome = try WeftProcess(["predict"] + arguments.split(separator: " ").map(String.init))
    #expect(outcome.status == status && outcome.output.isEmpty)
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
  }

  @Test func `a file that is no engine is told as such`() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("name: x\ntitle: y\n", to: "engine.txt")
    let outcome = try predict("--gpus 4 --engine \(file)")
    #expect(outcome.status == 65 && outcome.errors.contains("describes no engine"))
  }

  @Test func `own steps correct the engine's terms`() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(
      "tp,batch,context_or_bytes,time_us\n1,1,128,20000\n2,1,128,15000\n4,1,128,12000\n",
      to: "own.csv")
    let outcome = try predict("--gpus 4 --batch 1 --prompt 127 --decode 2 --measured \(file)")
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("own.csv: 3 steps give host.step "))
    let chosen = try predict("--gpus 4 --batch 1 --decode 2 --measured \(file) --where tp=2")
    #expect(chosen.output.contains("own.csv: 1 steps give host.step "), "\(chosen.errors)")
  }

  @Test func `the same question has the same answer, byte for byte`() throws {
    let arguments = "--gpus 4,16 --plan auto --format csv"
    let first = try predict(arguments)
    #expect(first.status == 0)
    #expect(try predict(arguments).output == first.output)
  }
}
