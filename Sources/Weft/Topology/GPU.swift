/// What a GPU's data sheet says: rates and sizes, no software cost.
public struct GPU: Hashable, Sendable {
  /// The short name, an entry of `topologies/gpus.yaml`.
  public var name: String
  /// The name a person knows, for example `NVIDIA A100-SXM4-40GB`.
  public var title: String
  /// The CUDA compute capability times ten: 80 for A100, 90 for H100.
  public var computeCapability: Int
  /// The device memory.
  public var memory: ByteCount
  /// The peak rate of device memory.
  public var memoryBandwidth: Bandwidth
  /// The level-two cache.
  public var l2: ByteCount
  /// The number of streaming multiprocessors.
  public var multiprocessors: Int
  /// The NVLink generation.
  public var nvlinkGeneration: Int
  /// The dense peak rate by element type, in operations per second.
  public var peak: Peak

  /// Dense peak rates in operations per second; nil where the hardware has no such path.
  public struct Peak: Hashable, Sendable {
    /// Rates of the matrix units for 16-bit floating-point operands.
    public var bf16: Double
    /// Rates of the matrix units for 8-bit floating-point operands.
    public var fp8: Double?
    /// Rates of the matrix units for 8-bit integer operands.
    public var int8: Double?
    /// Rates of ordinary 32-bit floating point.
    public var fp32: Double

    /// Creates the peak rates, each in operations per second.
    public init(bf16: Double, fp8: Double?, int8: Double?, fp32: Double) {
      self.bf16 = bf16
      self.fp8 = fp8
      self.int8 = int8
      self.fp32 = fp32
    }

    /// The rate for operands of a type; nil where the hardware has no path for it.
    public subscript(type: DataType) -> Double? {
      switch type {
      case .bf16, .fp16: bf16
      case .fp8: fp8
      case .int8: int8
      case .fp32, .int32: fp32
      }
    }
  }

  /// Creates a GPU from its data sheet.
  public init(
    name: String, title: String, computeCapability: Int, memory: ByteCount,
    memoryBandwidth: Bandwidth, l2: ByteCount, multiprocessors: Int, nvlinkGeneration: Int,
    peak: Peak
  ) {
    self.name = name
    self.title = title
    self.computeCapability = computeCapability
    self.memory = memory
    self.memoryBandwidth = memoryBandwidth
    self.l2 = l2
    self.multiprocessors = multiprocessors
    self.nvlinkGeneration = nvlinkGeneration
    self.peak = peak
  }
}
