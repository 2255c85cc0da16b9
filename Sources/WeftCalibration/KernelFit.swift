import Glibc
public import Weft

/// The parameters of a kernel's closed form fitted to measured times of shapes.
///
/// Residuals are `ln(form / measured)`. Parameters that no time answers to, or that the times leave
/// undetermined, keep their nominal values and are named. Times too far from all others to be anything
/// but bad runs take no part, as long as they are few.
public struct KernelFit: Sendable {
  /// A measured shape.
  public struct Observation<Form: KernelForm>: Hashable, Sendable {
    /// The shape.
    public var form: Form
    /// The measured time in seconds.
    public var seconds: Double

    /// Creates a measured shape.
    public init(form: Form, seconds: Double) {
      self.form = form
      self.seconds = seconds
    }
  }

  /// The profile with the fitted parameters in place, with their standard errors.
  public let profile: Profile
  /// The fitted keys in the order of the fit.
  public let keys: [Profile.Key]
  /// The fit.
  public let fit: NonlinearFit
  /// What kept its nominal value, with the reason.
  public let held: [Calibration.Held]
  /// The fitted keys that ended at a bound, with it.
  public let atBounds: [(key: Profile.Key, bound: Double)]
  /// The observations that were left out as bad runs, by their places.
  public let outliers: [Int]
  /// The observations as far off that are too many to be bad runs, by their places; they took part.
  public let missed: [Int]

  /// The robust loss of the fit.
  private static let lossScale = 0.05
  /// What a bad run is judged by: at least e times as long or short as the form.
  ///
  /// Forms miss whole kinds of shapes by more than simulations miss calls: of A100's prefill 53 shapes
  /// of 2739 are beyond the limit of collectives, all of 16 heads or fewer, and all within 2.5 times.
  private static let outlierScale = 0.125

  /// Fits the parameters of a form.
  ///
  /// - Parameters:
  ///   - observations: Shapes and times.
  ///   - gpu: The data sheet of the GPU measured.
  ///   - nominal: A complete profile to start from.
  ///   - asked: Names of keys to leave alone.
  /// - Throws: ``FitError`` if there are too few shapes or nothing to fit.
  public init<Form: KernelForm>(
    _ observations: [Observation<Form>], gpu: GPU, nominal: Profile, held asked: Set<String> = []
  ) throws {
    for (index, observation) in observations.enumerated()
    where !(observation.seconds > 0 && observation.seconds.isFinite) {
      throw FitError.badTime(seconds: observation.seconds, sample: index)
    }
    let all = try Solution(observations, gpu: gpu, nominal: nominal, held: asked)
    let far = Outliers.places(in: all.fit.residuals, lossScale: Self.outlierScale)
    let areFew = far.count <= Outliers.mostBadRuns(of: observations.count)
    outliers = areFew ? far : []
    missed = areFew ? [] : far
    let left = Set(outliers)
    let solution =
      left.isEmpty
      ? all
      : try Solution(
        observations.indices.filter { !left.contains($0) }.map { observations[$0] }, gpu: gpu,
        nominal: nominal, held: asked)
    var profile = nominal
    for (key, estimate) in zip(solution.keys, solution.fit.estimates) {
      profile[key] = Profile.Parameter(
        value: estimate.value, standardError: estimate.standardError, source: "fitted")
    }
    self.profile = profile
    keys = solution.keys
    fit = solution.fit
    held = solution.held
    atBounds = zip(solution.keys, solution.fit.estimates).compactMap { key, estimate in
      estimate.parameter.bound(near: estimate.value).map { (key, $0) }
    }
  }

  /// The errors `form / measured - 1` of shapes under a profile.
  public static func errors<Form: KernelForm>(
    _ observations: [Observation<Form>], gpu: GPU, profile: Profile
  ) -> [Double] {
    observations.map { $0.form.time(on: gpu, profile: profile).seconds / $0.seconds - 1 }
  }
}

extension KernelFit {
  /// A fit to all of some observations.
  private struct Solution {
    var keys: [Profile.Key] = []
    var fit: NonlinearFit
    var held: [Calibration.Held] = []

    init<Form: KernelForm>(
      _ observations: [Observation<Form>], gpu: GPU, nominal: Profile, held asked: Set<String>
    ) throws {
      func residuals(_ keys: [Profile.Key], _ point: [Double]) -> [Double] {
        let places = Dictionary(uniqueKeysWithValues: zip(keys, point))
        return observations.map { observation in
          let time = observation.form.time(on: gpu) { places[$0] ?? nominal[$0]?.value ?? .nan }
          return log(time.seconds / observation.seconds)
        }
      }
      var held: [Calibration.Held] = []
      var keys: [Profile.Key] = []
      for key in Form.keys {
        let start = KernelFit.unknown(key, nominal[key]?.value ?? 0).start
        let answers = zip(residuals([key], [start * 0.8]), residuals([key], [start])).contains {
          abs($0 - $1) > 1e-6
        }
        if asked.contains(key.rawValue) {
          held.append(.init(name: key.rawValue, reason: "left alone on purpose"))
        } else if !answers {
          held.append(.init(name: key.rawValue, reason: "no measured shape answers to it"))
        } else {
          keys.append(key)
        }
      }
      var start: [Profile.Key: Double] = [:]
      while true {
        let unknowns = keys.map { key in
          var unknown = KernelFit.unknown(key, nominal[key]?.value ?? 0)
          if let value = start[key], unknown.lower < value, value < unknown.upper {
            unknown.start = value
          }
          return unknown
        }
        let fitted = keys
        let fit = try NonlinearFit(
          unknowns, samples: observations.count,
          options: .init(lossScale: KernelFit.lossScale, iterations: 100, tolerance: 1e-4)
        ) { points in points.map { residuals(fitted, $0) } }
        for (key, value) in zip(keys, fit.values) { start[key] = value }
        let worst = fit.estimates.indices.max {
          fit.estimates[$0].relativeError < fit.estimates[$1].relativeError
        }
        guard let worst, fit.estimates[worst].relativeError > 0.5, keys.count > 1 else {
          self.fit = fit
          break
        }
        let percent = min(fit.estimates[worst].relativeError, 100) * 100
        held.append(
          .init(
            name: keys[worst].rawValue,
            reason: "undetermined: its standard error would be \(Int(percent.rounded())) %"))
        keys.remove(at: worst)
      }
      self.keys = keys
      self.held = held
    }
  }

  /// The unknown of a parameter: a ratio up to 1, anything else within a factor of 30 of nominal.
  private static func unknown(_ key: Profile.Key, _ nominal: Double) -> FitParameter {
    if key == .gemmSerialMost {
      // A nominal one is no limit at all, from where no shape would answer.
      return FitParameter(
        name: key.rawValue, start: min(nominal, 1e-5), in: 3e-7...2e-3, isLogarithmic: true,
        unit: 1e-6)
    }
    switch key.dimension {
    case .ratio:
      return FitParameter(
        name: key.rawValue, start: min(max(nominal, 0.03), 0.985), in: 0.01...1, unit: 0.1)
    case .duration:
      let value = max(nominal, 1e-8)
      return FitParameter(
        name: key.rawValue, start: value, in: value / 30...value * 30, isLogarithmic: true,
        unit: max(nominal, 1e-7))
    case .bandwidth, .size:
      let value = max(nominal, 1)
      return FitParameter(
        name: key.rawValue, start: value, in: value / 30...value * 30, isLogarithmic: true)
    }
  }
}
