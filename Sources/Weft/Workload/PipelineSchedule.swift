/// How long a pipeline takes when each stage works on one micro-batch at a time.
///
/// A stage's occupancy is its kernels, the send to its successor, and for the last stage what the
/// host does with the tokens: a send is a kernel of the stage's stream. Buffers between stages
/// never run full, since there are no more micro-batches than that.
struct PipelineSchedule: Sendable {
  /// The occupancy of each stage by one micro-batch.
  var stages: [SimDuration]
  /// The micro-batches of a step.
  var microBatches: Int

  /// The time of one micro-batch through all stages.
  private var passage: SimDuration { stages.reduce(.zero, +) }

  /// The occupancy of the slowest stage.
  private var slowest: SimDuration { stages.max() ?? .zero }

  /// The time of a prefill: the first micro-batch passes all stages, the others follow it at the
  /// pace of the slowest: `sum(t) + (m - 1) max(t)`, which is `(m + pp - 1) t` for equal stages.
  ///
  /// It is exact for a flow shop of equal jobs.
  var prefill: SimDuration { passage + (microBatches - 1) * slowest }

  /// The period of a decode step: `max(sum(t), m max(t))`.
  ///
  /// A sequence's next token needs its last one, so a micro-batch has to pass all stages before
  /// it can enter the first again: no period is below `sum(t)`. A stage serves all m micro-batches
  /// in each step: none is below `m max(t)`. The larger is reached: every other cycle of waiting
  /// in this closed loop of queues mixes a passages with b rounds at stages and so weighs at most
  /// `a sum(t) + b m max(t)` in a + b steps.
  ///
  /// Splitting the batch thus pays only as far as `sum(t)` falls with the micro-batch: when a
  /// stage's time is that of reading its weights, it does not fall.
  var decodePeriod: SimDuration { max(passage, microBatches * slowest) }
}
