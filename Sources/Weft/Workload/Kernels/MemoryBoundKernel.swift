/// A kernel that only reads and writes: norm, rotary embedding, activation, sampling, copy.
///
///     t = max(L, bytes / (e BW))
///
/// The floor of a long kernel is hidden by its traffic.
public struct MemoryBoundKernel: KernelForm {
  /// What it reads and writes.
  public var bytes: Int

  /// Creates a kernel.
  public init(bytes: Int) {
    self.bytes = bytes
  }

  /// The parameters of the form.
  public static let keys: [Profile.Key] = [.smallKernelFloor, .memoryEfficiency]

  /// The time; see the form above.
  public func time(on gpu: GPU, parameters: (Profile.Key) -> Double) -> KernelTime {
    let floor = parameters(.smallKernelFloor)
    let roof =
      Double(bytes)
      / (parameters(.memoryEfficiency) * Double(gpu.memoryBandwidth.bytesPerSecond))
    return KernelTime(floor: floor, latency: 0, roof: max(0, roof - floor), cause: .memory)
  }
}
