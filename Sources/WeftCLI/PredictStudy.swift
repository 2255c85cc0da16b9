import Foundation
import Weft
import WeftFiles

/// Runs a study of headline comparisons: predicts its cases and says which claims they bear out.
struct StudyRun {
  let file: HeadlineStudyFile
  let data: DataDirectory

  /// A predicted row with the name of its workload.
  private struct Case {
    var workload: String
    var isTensor: Bool
    var row: Prediction
  }

  /// A claim and what was found.
  private struct Finding {
    var claim: String
    var published: Double?
    var predicted: Double?
    var reached: Bool
    var text: String
  }

  /// Predicts everything and prints it.
  func report(_ global: GlobalOptions) throws {
    try Output.checkFolder(of: global.output)
    let progress = Progress(global, mentionedAfter: .seconds(5))
    let (cases, gains) = try global.timed("study") {
      try (predictions(progress), allReduceGains(progress))
    }
    progress.finish()
    let findings = file.headlines.map { find($0, cases, gains) }
    var report = Report(rows: cases.map(\.row), hasFront: false)
    for (index, entry) in cases.enumerated() {
      report.records[index]["workload"] = .text(entry.workload)
    }
    report.title = file.title
    report.columns = [
      "topology", "model", "workload", "gpus", "plan", "all_reduce", "ttft_ms", "tpot_ms",
      "latency_s", "speedup", "bottleneck", "reason",
    ]
    report.notes =
      file.notes
      + file.workloads.map {
        "\($0.name): batch \($0.workload.batch), prompt \($0.workload.prompt), decode "
          + "\($0.workload.decode)"
      }
    report.notes += findings.map {
      "\($0.reached ? "reached" : "not reached"): \($0.claim): \($0.text)"
    }
    report.extra["headlines"] = .list(
      findings.map {
        .object(
          Record([
            "claim": .text($0.claim), "published": Value($0.published),
            "predicted": Value($0.predicted), "reached": .bool($0.reached),
          ]))
      })
    try global.emit(report)
  }

  // MARK: Predictions

  private func machine(_ name: String) throws -> (topology: Topology, profile: Profile) {
    let topology = try data.topology(name).topology
    let engine = try data.engine(file.engine)
    return (topology, try data.nominalProfile(for: topology).replacing(with: engine.profile))
  }

  private func predictions(_ progress: Progress) throws -> [Case] {
    let engine = try data.engine(file.engine).engine
    var cases: [Case] = []
    for machine in file.machines {
      let (topology, profile) = try self.machine(machine.topology)
      var timer = WatchedTimer.cached(topology, profile, progress)
      for model in file.models {
        for workload in file.workloads {
          let request = PredictionRequest(
            model: try data.model(model).model, topology: topology, profile: profile,
            gpuCounts: file.gpus, plans: [try PlanPattern("tp"), try PlanPattern(machine.hybrid)],
            libraries: file.libraries, workload: workload.workload, engine: engine)
          cases += try request.predictions(timer: &timer).map {
            Case(workload: workload.name, isTensor: $0.requested == "tp", row: $0)
          }
        }
      }
    }
    return cases
  }

  /// NCCL's time over NVRAR's of one in-place bf16 all-reduce in a CUDA graph, 128 KiB to 2 MiB.
  private func allReduceGains(
    _ progress: Progress
  ) throws -> [(topology: String, gpus: Int, bytes: Int, gain: Double)] {
    var gains: [(topology: String, gpus: Int, bytes: Int, gain: Double)] = []
    for machine in file.machines {
      let (topology, profile) = try self.machine(machine.topology)
      var timer = WatchedTimer.cached(topology, profile, progress)
      for gpus in file.gpus where gpus >= 2 * topology.node.gpus {
        let layout = Layout(
          nodes: gpus / topology.node.gpus, ranksPerNode: topology.node.gpus)
        for bytes in [128, 256, 512, 1024, 2048].map({ $0 << 10 }) {
          let times = try AllReduceLibrary.allCases.map {
            try timer.allReduce(
              bytes: bytes, type: .bf16, layout: layout, library: $0, launch: .graph
            ).time.seconds
          }
          gains.append((topology.name, gpus, bytes, times[0] / times[1]))
        }
      }
    }
    return gains
  }

  // MARK: Claims

  private func find(
    _ headline: HeadlineStudyFile.Headline, _ cases: [Case],
    _ gains: [(topology: String, gpus: Int, bytes: Int, gain: Double)]
  ) -> Finding {
    switch headline.kind {
    case .allReduceGain(let topology, let published):
      let best = gains.filter { $0.topology == topology }.max { $0.gain < $1.gain }
      return gain(
        headline.claim, published, best?.gain,
        at: best.map { "\($0.bytes >> 10) KiB on \($0.gpus) GPUs" })
    case .latencyGain(let topology, let model, let workload, let gpus, let published):
      let rows = cases.filter {
        $0.isTensor && $0.row.topology == topology && $0.row.model == model
          && $0.workload == workload && gpus ?? $0.row.gpus == $0.row.gpus
      }.map(\.row)
      var best: (gain: Double, gpus: Int)?
      for row in rows where row.allReduce == .nccl {
        let other = rows.first { $0.allReduce == .nvrar && $0.gpus == row.gpus }
        guard let slow = row.timing, let fast = other?.timing else { continue }
        let ratio = slow.latency.seconds / fast.latency.seconds
        if ratio > best?.gain ?? 0 { best = (ratio, row.gpus) }
      }
      return gain(headline.claim, published, best?.gain, at: best.map { "\($0.gpus) GPUs" })
    case .order(let workload, let tensorWins):
      return order(headline.claim, cases.filter { $0.workload == workload }, tensorWins)
    case .allReduceBinds(let workload):
      let rows = cases.filter {
        $0.isTensor && $0.workload == workload && $0.row.allReduce == .nccl
          && ($0.row.nodes ?? 1) > 1
      }.compactMap { $0.row.timing?.decode }
      let bound = rows.count { ledger in
        CostCategory.allCases.allSatisfy { ledger[$0] <= ledger[.allReduce] }
      }
      return count(headline.claim, bound, rows.count)
    }
  }

  /// Cases of the best all-reduce of each plan, across nodes, where both plans fit.
  private func order(_ claim: String, _ cases: [Case], _ tensorWins: Bool) -> Finding {
    var (won, all) = (0, 0)
    for machine in file.machines {
      for model in file.models {
        for gpus in file.gpus {
          func best(_ isTensor: Bool) -> SimDuration? {
            cases.filter {
              $0.isTensor == isTensor && $0.row.topology == machine.topology
                && $0.row.model == model && $0.row.gpus == gpus && ($0.row.nodes ?? 1) > 1
            }.compactMap { $0.row.timing?.latency }.min()
          }
          guard let tensor = best(true), let hybrid = best(false) else { continue }
          all += 1
          if (tensor < hybrid) == tensorWins { won += 1 }
        }
      }
    }
    return count(claim, won, all)
  }

  private func gain(
    _ claim: String, _ published: Double, _ predicted: Double?, at place: String?
  ) -> Finding {
    guard let predicted, let place else {
      return Finding(
        claim: claim, published: published, predicted: nil, reached: false,
        text: "no case of the study fits")
    }
    let text = String(
      format: "%.2fx predicted (%@), %.2fx published, %+.0f %%", predicted, place, published,
      100 * (predicted / published - 1))
    return Finding(
      claim: claim, published: published, predicted: predicted, reached: predicted >= published,
      text: text)
  }

  private func count(_ claim: String, _ won: Int, _ all: Int) -> Finding {
    Finding(
      claim: claim, published: nil, predicted: all > 0 ? Double(won) / Double(all) : nil,
      reached: all > 0 && won == all, text: "in \(won) of \(all) cases that fit")
  }
}
