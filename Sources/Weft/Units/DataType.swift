/// The type of the elements a collective reduces or a kernel computes with.
public enum DataType: String, CaseIterable, Sendable {
  case fp32, fp16, bf16, fp8, int32, int8

  /// The size of one element in bytes.
  public var bytes: Int {
    switch self {
    case .fp32, .int32: 4
    case .fp16, .bf16: 2
    case .fp8, .int8: 1
    }
  }

  /// The type of a name as users and other tools write it (`bf16`, `bfloat16`, `half`, …).
  public init?(name: String) {
    switch name.lowercased() {
    case "fp32", "float", "float32", "f32": self = .fp32
    case "fp16", "half", "float16", "f16": self = .fp16
    case "bf16", "bfloat16": self = .bf16
    case "fp8", "fp8_e4m3", "fp8_e5m2", "f8e4m3", "f8e5m2": self = .fp8
    case "int32", "i32": self = .int32
    case "int8", "i8": self = .int8
    default: return nil
    }
  }
}
