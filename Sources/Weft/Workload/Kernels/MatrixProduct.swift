import Glibc

/// A product of an m x k matrix of activations by a k x n matrix of weights, or of several with
/// their own weights in one launch, as a layer of experts runs them.
///
///     t = L + 1 / (1 / (c k / 1024) + 1 / S) + w^v (A^p + B^p)^(1/p)
///     A = 2 m n k / (ec P),  B = bytes / (em BW),  p = 1 / blend
///
/// `c` is the loop over k of one thread block, `S` what it grows to at the most, as a long k is split
/// among blocks. `w` is the ratio of the last, partly filled wave: tiles of 64 x 64 rounded up to
/// whole waves of one tile per multiprocessor, over the tiles. Unseen shapes with n and k of 512 and
/// more, m up to 256, bf16: median 4.2 % and 95th percentile 14.8 % on H100, 5.5 % and 21.4 % on
/// A100.
public struct MatrixProduct: KernelForm {
  /// Rows of activations, in all groups together.
  public var m: Int
  /// Columns of the weights.
  public var n: Int
  /// The summed dimension.
  public var k: Int
  /// The matrices of weights that are read, each by m / groups rows; 1 but for experts.
  public var groups: Double
  /// The type of the weights and of the arithmetic.
  public var weights: DataType
  /// The type of the activations as they are stored.
  public var activations: DataType

  /// Creates a product; activations have 16 bits beside narrower weights unless said.
  public init(
    m: Int, n: Int, k: Int, groups: Double = 1, weights: DataType = .bf16,
    activations: DataType? = nil
  ) {
    self.m = m
    self.n = n
    self.k = k
    self.groups = groups
    self.weights = weights
    self.activations = activations ?? weights.activations
  }

  /// The parameters of the form.
  public static let keys: [Profile.Key] = [
    .gemmComputeEfficiency, .gemmMemoryEfficiency, .gemmFloor, .gemmSerialK, .gemmSerialMost,
    .gemmBlend, .gemmWaves,
  ]

  /// The time; see the form above.
  public func time(on gpu: GPU, parameters: (Profile.Key) -> Double) -> KernelTime {
    let (m, n, k) = (Double(m), Double(n), Double(k))
    let peak = gpu.peak[weights] ?? gpu.peak.bf16
    let arithmetic = 2 * m * n * k / (parameters(.gemmComputeEfficiency) * peak)
    // Operands of narrow products arrive quantised; their result has the activations' width.
    let operand = Double(weights.bytes)
    let bytes =
      m * k * operand + groups * k * n * operand + m * n * Double(activations.bytes)
    let memory =
      bytes / (parameters(.gemmMemoryEfficiency) * Double(gpu.memoryBandwidth.bytesPerSecond))
    let power = 1 / parameters(.gemmBlend)
    // Scaled by the larger, so that no power under- or overflows.
    let (larger, lesser) = (max(arithmetic, memory), min(arithmetic, memory))
    let blended = larger > 0 ? larger * pow(1 + pow(lesser / larger, power), 1 / power) : 0
    let tiles = groups * ceil(m / groups / 64) * ceil(n / 64)
    let multiprocessors = Double(gpu.multiprocessors)
    let waves = max(1, ceil(tiles / multiprocessors)) * multiprocessors / max(1, tiles)
    let serial = k / 1024 * parameters(.gemmSerialK)
    let most = parameters(.gemmSerialMost)
    return KernelTime(
      floor: parameters(.gemmFloor), latency: serial / (1 + serial / most),
      roof: blended * pow(waves, parameters(.gemmWaves)),
      cause: arithmetic > memory ? .compute : .memory)
  }
}

extension DataType {
  /// The type of activations beside weights of this type: 16 bits for narrower ones.
  public var activations: DataType { bytes < 2 ? .bf16 : self }
}
