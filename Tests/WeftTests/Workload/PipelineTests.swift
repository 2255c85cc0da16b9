import Testing

@testable import Weft

struct PipelineTests {
  private func schedule(_ microseconds: [Double], microBatches: Int) -> PipelineSchedule {
    PipelineSchedule(stages: microseconds.map { .microseconds($0) }, microBatches: microBatches)
  }

  @Test func `prefill fills and drains`() {
    #expect(schedule([3, 3, 3, 3], microBatches: 1).prefill == .microseconds(12))
    #expect(schedule([3, 3, 3, 3], microBatches: 8).prefill == .microseconds((8 + 4 - 1) * 3))
    #expect(schedule([1, 5, 2], microBatches: 3).prefill == .microseconds(8 + 2 * 5))
  }

  @Test func `a decode step is a whole passage or the slowest stage's round`() {
    #expect(schedule([4], microBatches: 1).decodePeriod == .microseconds(4))
    #expect(schedule([3, 3, 3, 3], microBatches: 1).decodePeriod == .microseconds(12))
    #expect(schedule([3, 3, 3, 3], microBatches: 4).decodePeriod == .microseconds(12))
    #expect(schedule([3, 3, 3, 3], microBatches: 8).decodePeriod == .microseconds(24))
    #expect(schedule([1, 5, 2], microBatches: 3).decodePeriod == .microseconds(15))
  }

  /// Plays the closed loop of queues: each micro-batch enters a stage when it has left the one
  /// before and the micro-batch ahead has left this one.
  @Test(arguments: [1, 2, 3, 4, 5, 6])
  func `the closed forms are those of the loop played out`(microBatches: Int) {
    let times: [Int64] = [2, 7, 3, 4]
    var stageFree = [Int64](repeating: 0, count: times.count)
    var ready = [Int64](repeating: 0, count: microBatches)
    var ends: [Int64] = []
    for _ in 0..<40 {
      for microBatch in 0..<microBatches {
        for (stage, time) in times.enumerated() {
          let start = max(ready[microBatch], stageFree[stage])
          ready[microBatch] = start + time
          stageFree[stage] = start + time
        }
      }
      ends.append(ready[microBatches - 1])
    }
    let schedule = PipelineSchedule(
      stages: times.map { SimDuration(picoseconds: $0) }, microBatches: microBatches)
    #expect(schedule.prefill.picoseconds == ends[0])
    #expect(schedule.decodePeriod.picoseconds == ends[39] - ends[38])
  }
}
