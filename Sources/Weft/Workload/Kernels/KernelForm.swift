/// A kernel with a closed form for its time: a shape, and the parameters that a fit has to find.
///
/// Every form is a floor plus latencies plus a roofline, so that a step can show what binds it.
/// Calibration evaluates ``time(on:parameters:)`` on measured shapes and varies the values of
/// ``keys``; prediction evaluates it with the values of a profile.
///
/// Forms and accuracy: fits on half of the published tables of aiconfigurator-core 0.12.0
/// (Apache-2.0), errors on the other half; see docs/decisions.md.
public protocol KernelForm: Hashable, Sendable {
  /// The parameters that the form has.
  static var keys: [Profile.Key] { get }

  /// The time of one call among back-to-back calls, its start-up in the floor.
  ///
  /// - Parameters:
  ///   - gpu: The data sheet; its peak rates are what efficiencies refer to.
  ///   - parameters: The value of each of ``keys`` in the base unit of ``Profile/Parameter``.
  /// - Returns: The time and its parts.
  func time(on gpu: GPU, parameters: (Profile.Key) -> Double) -> KernelTime
}

/// The time of a kernel in seconds, and what it is made of.
public struct KernelTime: Hashable, Sendable {
  /// Start-up and drain of any such kernel.
  public var floor: Double
  /// Steps that depend on the shape but on no rate.
  public var latency: Double
  /// Arithmetic or memory traffic.
  public var roof: Double
  /// Which of the two ``roof`` is: `compute` or `memory`.
  public var cause: Bottleneck

  /// The sum of the parts.
  public var seconds: Double { floor + latency + roof }
}

extension KernelForm {
  /// The time with the values of a profile.
  ///
  /// - Precondition: the profile holds all of ``keys``.
  public func time(on gpu: GPU, profile: Profile) -> KernelTime {
    time(on: gpu) { profile[$0]?.value ?? .nan }
  }
}
