import Glibc
public import Weft

/// Parameters of a profile fitted to measured collectives, with the simulation inside the fit.
///
/// Residuals are `ln(simulated / measured)`. Every term that some call answers to is fitted first;
/// what the data leave undetermined goes back to its nominal value, one term after the other, and
/// so does what they move least when there are more terms than asked for. The rest is fitted again.
public struct CollectiveCalibration: Sendable {
  /// A measured call.
  public struct Observation: Hashable, Sendable {
    /// The call.
    public var sample: CollectiveSample
    /// The best measured time in seconds.
    public var seconds: Double

    /// Creates a measured call.
    public init(sample: CollectiveSample, seconds: Double) {
      self.sample = sample
      self.seconds = seconds
    }
  }

  /// How to calibrate.
  public struct Options: Sendable {
    /// The most parameters of the result.
    public var mostParameters = 10
    /// The logarithmic error from which errors count linearly.
    public var lossScale = 0.05
    /// Operations of one pass over the calls of the fit; longer calls are left to the residuals.
    public var operations = 150_000
    /// Names of terms to leave alone.
    public var held: Set<String> = []

    /// The usual options.
    public init() {}
  }

  /// What the work is at, for a person.
  public struct Stage: Sendable {
    /// The step in words.
    public var name: String
    /// Steps of the solver so far.
    public var step: Int
    /// The most that it may take.
    public var most: Int
    /// Simulations done so far.
    public var simulations: Int
  }

  /// The fitted terms with their errors.
  public let fit: NonlinearFit
  /// The terms in the order of the fit.
  public let terms: [CalibrationTerm]
  /// The nominal profile with the fitted parameters in place.
  public let profile: Profile
  /// The errors in a form that predictions use.
  public let calibration: Calibration
  /// Simulated over measured times of all observations, as logarithms.
  public let residuals: [Double]
  /// Calls that were too long to simulate in the fit; they count for the residuals alone.
  public let leftOut: Int
  /// The terms that ended at a bound, with it.
  public let atBounds: [(name: String, bound: Double)]
  /// Bad runs, by their indices: single calls far from the fit, which take no part in anything.
  public let badRuns: [Int]
  /// The other observations far from the fit, by their indices.
  ///
  /// The model misses something of them: terms' errors leave them out, intervals do not.
  public let farCalls: [Int]
  /// Nominal over measured times less 1, of the calls that were fitted.
  public let nominalErrors: [Double]
  /// The terms that some observation answers to.
  let answering: [CalibrationTerm]
  /// The calls that were fitted.
  let used: [CollectiveSample]

  /// The least number of different calls.
  public static let leastCalls = 4

  /// Fits a profile.
  ///
  /// - Parameters:
  ///   - observations: The measured calls, each once.
  ///   - model: The simulations; one that knows the calls already saves time.
  ///   - topology: The machine.
  ///   - nominal: The complete profile to start from.
  ///   - options: How to calibrate.
  ///   - progress: Called now and then.
  /// - Throws: ``FitError`` if the calls do not give a fit, ``CalibrationError`` if they cannot be
  ///   what they are said to be, ``PlanError``, ``SimulationError``.
  public init(
    _ observations: [Observation], model: CollectiveModel, topology: Topology, nominal: Profile,
    options: Options = Options(), progress: @escaping (Stage) -> Void = { _ in }
  ) throws {
    try Self.check(observations)
    let inside = try Self.withinBudget(observations, model, nominal, options.operations)
    let samples = observations.map(\.sample)
    let start = zip(try model.seconds(inside.map { samples[$0] }, under: [nominal])[0], inside)
      .map { (place: $1, seconds: $0) }
    try CalibrationError.checkUnits(
      inside.map { observations[$0] }, nominal: start.map(\.seconds))
    // By how nominal times are missed from size to size: a fit would have to be made twice.
    var bad = Outliers.badRuns(
      samples,
      residuals: start.map { ($0.place, log($0.seconds / observations[$0.place].seconds)) },
      lossScale: options.lossScale)
    if inside.count - bad.count < Self.leastCalls { bad = [] }
    let fitted = start.filter { !bad.contains($0.place) }
    let fitter = Fitter(
      observations: fitted.map { observations[$0.place] }, model: model, nominal: nominal,
      options: options, progress: progress)
    var held: [Calibration.Held] = []
    let answering = try fitter.answering(&held)
    guard !answering.isEmpty else {
      throw FitError.nothingToFit(reason: "no simulated time answers to one")
    }
    let reduction = try fitter.reduce(answering)
    held += reduction.held
    let (terms, fit) = (reduction.terms, reduction.fit)
    self.terms = terms
    self.fit = fit
    atBounds = reduction.pressed.map { (name: $0.term.name, bound: $0.bound) }
    var profile = nominal
    for (term, value) in zip(terms, fit.values) { term.apply(value, to: &profile) }
    self.profile = profile
    leftOut = observations.count - inside.count
    let all = try model.seconds(samples, under: [profile])[0]
    let residuals = zip(all, observations).map { log($0 / $1.seconds) }
    self.residuals = residuals
    // Calls that were too long for the fit can be bad runs as well.
    bad.formUnion(
      Outliers.badRuns(
        samples, residuals: observations.indices.map { ($0, residuals[$0]) },
        lossScale: options.lossScale
      ).subtracting(inside))
    badRuns = bad.sorted()
    farCalls = Outliers.places(in: residuals, lossScale: options.lossScale).filter {
      !bad.contains($0)
    }
    nominalErrors = fitted.map { $0.seconds / observations[$0.place].seconds - 1 }
    self.answering = answering.map(\.term)
    used = fitted.map { samples[$0.place] }
    let sound = observations.indices.filter { !bad.contains($0) }
    var calibration = Self.summary(
      fit, terms, sound.map { observations[$0] }, sound.map { residuals[$0] }, held,
      topology: topology.name)
    calibration.measured = Set(
      try samples.map { Calibration.call($0.call.collective, by: try model.plan($0, profile)) }
    ).sorted()
    for sample in samples { calibration.scope.formUnion(model.scope(of: sample)) }
    self.calibration = calibration
  }

  private static func check(_ observations: [Observation]) throws(FitError) {
    for (index, observation) in observations.enumerated()
    where !(observation.seconds > 0 && observation.seconds.isFinite) {
      throw .badTime(seconds: observation.seconds, sample: index)
    }
    let different = Set(observations.map(\.sample)).count
    if different == 1 && observations.count > 1 { throw .equalSamples(count: observations.count) }
    guard different >= leastCalls else {
      throw .tooFewSamples(count: different, needed: leastCalls)
    }
  }

  /// The places of observations without the longest ones, so that a pass takes no more operations
  /// than given.
  ///
  /// Those between nodes count for more, as a step of the fit simulates a call once for every term that
  /// it answers to, and they answer to terms of NICs and proxies as well. Long messages tell of rates
  /// what shorter ones tell too. A tenth stays whatever it takes.
  private static func withinBudget(
    _ observations: [Observation], _ model: CollectiveModel, _ profile: Profile, _ budget: Int
  ) throws -> [Int] {
    let weights = try observations.map {
      try model.operations($0.sample, profile, limit: 50_000_000)
        * ($0.sample.layout.nodes > 1 ? 5 : 3) / 3
    }
    let order = observations.indices.sorted { (weights[$0], $0) < (weights[$1], $1) }
    var kept = Set<Int>()
    var sum = 0
    for index in order {
      sum += weights[index]
      guard sum <= budget || kept.count < max(leastCalls, observations.count / 10) else { break }
      kept.insert(index)
    }
    return observations.indices.filter(kept.contains)
  }

  /// What holds 95 % of further draws of the same kind (split conformal prediction).
  ///
  /// A rank r of n holds r / (n + 1) of them in the mean, whatever their distribution, so the rank is
  /// 0.95 (n + 1), and between two the share of the way: rounded up to a whole one, the single worst
  /// of 20 to 38 calls would set the width. Below 19 calls it is the largest.
  static func quantile(_ sorted: [Double]) -> Double {
    let count = sorted.count
    let rank = max(1, 0.95 * Double(count + 1))
    guard rank < Double(count) else { return sorted[count - 1] }
    let below = Int(rank)
    return sorted[below - 1] + (rank - Double(below)) * (sorted[below] - sorted[below - 1])
  }

  private static func summary(
    _ fit: NonlinearFit, _ terms: [CalibrationTerm], _ observations: [Observation],
    _ residuals: [Double], _ held: [Calibration.Held], topology: String
  ) -> Calibration {
    let sizes = observations.map(\.sample.call.bytes)
    let nodes = observations.map(\.sample.layout.nodes)
    // Errors of calls that were fitted are smaller than those of calls to come.
    let count = Double(observations.count)
    let optimism = ((count + Double(terms.count)) / max(1, count - Double(terms.count)))
      .squareRoot()
    let windows = Accuracy.Window.allCases.compactMap { window -> Calibration.Residual? in
      let own = zip(sizes, residuals).filter { window.contains($0.0) }.map { abs($0.1) }.sorted()
      guard !own.isEmpty else { return nil }
      return Calibration.Residual(
        window: window, calls: own.count, median: Median.of(own),
        halfWidth: Self.quantile(own) * optimism)
    }
    return Calibration(
      topology: topology,
      parameters: fit.estimates.map {
        Calibration.Parameter(
          name: $0.parameter.name, value: $0.value, standardError: $0.standardError)
      },
      correlations: terms.indices.map { row in
        terms.indices.map { row == $0 ? 1 : fit.correlation(row, $0) }
      },
      coverageFactor: Quantile.student(0.95, degreesOfFreedom: fit.degreesOfFreedom),
      residuals: windows, sizes: (sizes.min() ?? 0)...(sizes.max() ?? 0),
      nodes: (nodes.min() ?? 1)...(nodes.max() ?? 1), held: held)
  }
}
