/// Why measurements do not give a fit.
public enum FitError: Error, Hashable, Sendable {
  /// There are fewer samples than a fit with a residual needs.
  case tooFewSamples(count: Int, needed: Int)
  /// A size is negative.
  case badSize(bytes: Int, sample: Int)
  /// A time is not a positive finite number of seconds.
  case badTime(seconds: Double, sample: Int)
  /// A relative error is not a positive finite number.
  case badRelativeError(Double, sample: Int)
  /// All samples have the same size, so latency and bandwidth cannot be told apart.
  case equalSizes(bytes: Int)
  /// Larger messages do not take longer, so there is no bandwidth.
  case noBandwidth(secondsPerByte: Double)
  /// The numbers are too large or too small to compute with.
  case outOfRange
  /// A parameter starts outside its bounds, or the bounds leave it no room.
  case badBounds(parameter: String)
  /// The model gives no finite value for a sample at some parameters.
  case notFinite(sample: Int)
  /// All samples are alike, so that nothing can be told from them.
  case equalSamples(count: Int)
  /// No parameter can be told from the samples.
  case nothingToFit(reason: String)
  /// GSL refused, with its status and its words for it.
  case solver(status: Int, reason: String)
}

extension FitError: CustomStringConvertible {
  /// What is wrong with the measurements, in one line; samples are counted from 0.
  public var description: String {
    switch self {
    case .tooFewSamples(let count, let needed):
      "\(count) measurements are too few, a fit needs \(needed)"
    case .badSize(let bytes, let sample):
      "measurement \(sample) has the size \(bytes) bytes, which is negative"
    case .badTime(let seconds, let sample):
      "measurement \(sample) has the time \(seconds) s, which is not positive and finite"
    case .badRelativeError(let error, let sample):
      "measurement \(sample) has the relative error \(error), which is not positive and finite"
    case .equalSizes(let bytes):
      "all measurements are of \(bytes) bytes, so latency and bandwidth cannot be told apart"
    case .noBandwidth(let slope):
      "larger messages do not take longer (\(slope) s per byte), so there is no bandwidth to fit"
    case .outOfRange:
      "the measurements are too large or too small to compute with"
    case .badBounds(let parameter):
      "the parameter \(parameter) does not start inside its bounds"
    case .notFinite(let sample):
      "the model has no finite value for measurement \(sample)"
    case .equalSamples(let count):
      "all \(count) measurements are of one call, so nothing can be told from them"
    case .nothingToFit(let reason):
      "no parameter can be told from these measurements: \(reason)"
    case .solver(let status, let reason):
      "GSL status \(status): \(reason)"
    }
  }
}
