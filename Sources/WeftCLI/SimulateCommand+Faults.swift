import Weft

extension SimulateCommand {
  /// Calls of so many events in all are simulated once more without each fault, to see what it does.
  private static let fewEvents = 300_000

  /// Says which broken and slow parts no call meets, of those that serve a GPU in use.
  ///
  /// Which NICs a schedule uses is known from a simulation alone.
  func warnOfIdleFaults(
    _ jobs: [CallRequest], _ outcomes: [CallRequest.Outcome], _ planner: Planner,
    _ profile: Profile, _ version: NCCLVersion
  ) throws {
    let fabric = planner.fabric
    let without = Self.conditionsWithoutOne(fabric, jobs)
    let events = outcomes.reduce(0) { $0 + $1.result.events }
    guard trials == 1, !tune, !fabric.conditions.isRandom,
      events * without.count <= Self.fewEvents
    else { return }
    for (fault, conditions) in without {
      let other = Planner(
        fabric: try Fabric(
          fabric.topology, nodes: fabric.nodes, gpusPerNode: fabric.gpusPerNode,
          placement: fabric.placement, conditions: conditions),
        profile: profile, ncclVersion: version)
      let isIdle = try zip(jobs, outcomes).allSatisfy { job, outcome in
        try job.answer(other).result.time == outcome.result.time
      }
      guard isIdle else { continue }
      Console.warn(
        "\(fault) changes nothing: these calls take as long without it, on \(fabric.nodes) nodes of "
          + "\(fabric.gpusPerNode) GPUs", global)
    }
  }

  /// Every fault as its flag has it, with the conditions that are left without it.
  private static func conditionsWithoutOne(
    _ fabric: Fabric, _ jobs: [CallRequest]
  ) -> [(fault: String, conditions: Conditions)] {
    let all = fabric.conditions
    let serving = fabric.servingNICs
    var result: [(String, Conditions)] = []
    for (place, nic) in all.failedNICs.enumerated() where serving.contains(nic.nic) {
      var less = all
      less.failedNICs.remove(at: place)
      result.append(("--failed-nic \(nic.node).\(nic.nic)", less))
    }
    for (place, slow) in all.slowNICs.enumerated()
    where slow.factor > 1 && serving.contains(slow.nic.nic) {
      var less = all
      less.slowNICs.remove(at: place)
      result.append(("--slow-nic \(slow.nic.node).\(slow.nic.nic):\(slow.factor)", less))
    }
    guard !jobs.allSatisfy({ isIdeal($0.name, $0.pricing) }) else { return result }
    for (place, slow) in all.slowGPUs.enumerated() where slow.factor > 1 {
      var less = all
      less.slowGPUs.remove(at: place)
      result.append(("--slow-gpu \(slow.rank):\(slow.factor)", less))
    }
    return result
  }
}
