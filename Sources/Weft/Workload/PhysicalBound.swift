/// A predicted step that no such GPU could do: a mistake of Weft, never of its input.
struct PhysicalBoundError: Error, CustomStringConvertible {
  /// What was predicted.
  var predicted: SimDuration
  /// What the data sheet allows, in seconds.
  var least: Double

  var description: String {
    "a step of \(predicted) is faster than its memory traffic and arithmetic at the data sheet's "
      + "rates, \(SimDuration.seconds(least))"
  }

  /// Holds a stage's time to what the data sheet allows.
  ///
  /// - Throws: ``PhysicalBoundError`` if it is below; a millionth is left to rounding.
  static func check(_ time: SimDuration, least: Double) throws {
    guard time.seconds >= least * (1 - 1e-6) else {
      throw PhysicalBoundError(predicted: time, least: least)
    }
  }
}

extension InferenceStep {
  /// The least time of the kernels in seconds: they run one after the other, each no faster than its
  /// bytes over the memory's rate and its operations over the peak.
  ///
  /// Collectives are left out: a simulation holds its links to their rates itself, and an engine may
  /// hide them.
  func leastSeconds(on gpu: GPU) -> Double {
    parts.reduce(0) { sum, part in
      sum + Double(part.count) * part.operations.reduce(0) { $0 + $1.work.leastSeconds(on: gpu) }
    }
  }
}

extension StepOperation.Work {
  /// The larger of bytes over the memory's rate and operations over the peak; 0 for a collective.
  func leastSeconds(on gpu: GPU) -> Double {
    let memory = Double(gpu.memoryBandwidth.bytesPerSecond)
    switch self {
    case .product(let kernel):
      let weights = kernel.groups * Double(kernel.k * kernel.n * kernel.weights.bytes)
      let operations = 2 * Double(kernel.m) * Double(kernel.n) * Double(kernel.k)
      return max(weights / memory, operations / (gpu.peak[kernel.weights] ?? gpu.peak.bf16))
    case .decodeAttention(let kernel):
      let tokens = Double(kernel.sequences) * Double(kernel.length)
      let read = tokens * Double(kernel.keyValueHeads * kernel.width * kernel.type.bytes)
      return max(read / memory, 2 * tokens * Double(kernel.heads * kernel.depth) / gpu.peak.bf16)
    case .prefillAttention(let kernel):
      let pairs = Double(kernel.length) * (Double(kernel.prior) + Double(kernel.length) / 2)
      return 2 * Double(kernel.sequences) * Double(kernel.heads * kernel.depth) * pairs
        / gpu.peak.bf16
    case .memoryBound(let kernel): return Double(kernel.bytes) / memory
    case .allReduce, .exchange: return 0
    }
  }
}
