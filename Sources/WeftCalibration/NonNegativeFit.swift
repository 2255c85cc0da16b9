internal import CGSL
import Glibc

/// Costs that explain measured times as sums of known amounts: `time = known + Σ cost x amount`.
///
/// Weighted linear least squares with costs that may not be negative. Weights are those of relative
/// errors, so that microseconds count as much as milliseconds. With few costs all subsets are tried
/// and the best fit without a negative cost is kept, which is the exact solution (Lawson and Hanson
/// 1974, chapter 23). With a loss scale the errors are logarithms under the loss of ``NonlinearFit``,
/// and samples far from all others are left out.
public struct NonNegativeFit: Hashable, Sendable {
  /// A measured time with the amounts that it is made of.
  public struct Sample: Hashable, Sendable {
    /// What the costs multiply, in the order of the costs.
    public var amounts: [Double]
    /// The part of the time that no cost is asked for.
    public var known: Double
    /// The measured time, in any unit.
    public var time: Double

    /// Creates a sample.
    public init(amounts: [Double], known: Double = 0, time: Double) {
      self.amounts = amounts
      self.known = known
      self.time = time
    }
  }

  /// What makes one set of costs better than another.
  public enum Choice: Sendable {
    /// The least squares alone: every cost that helps is kept.
    case leastSquares
    /// The least `n ln(squares / n) + k ln n` (Schwarz 1978): a few samples of one kind do not pay for
    /// costs they say nothing about. No cost at all is a choice too.
    case bayesian
  }

  /// The costs, in the order of the amounts; zero where none is needed.
  public let costs: [Double]
  /// The covariance of the costs, zero for those that are zero; nil if every sample was needed.
  public let covariance: [[Double]]?
  /// The samples that were left out, being too far from all others; none for least squares.
  public let outliers: [Int]

  /// The most kinds of amounts that a fit takes.
  public static let mostCosts = 6

  /// Fits costs to samples.
  ///
  /// - Parameters:
  ///   - samples: The measured times; with a finite loss scale every one needs a known part.
  ///   - choice: What makes one set of costs better than another.
  ///   - lossScale: The logarithmic error from which errors count linearly; infinite for least
  ///     squares of relative errors.
  /// - Throws: ``FitError`` if there are too few samples (by least squares, one more than costs), a
  ///   time is not positive and finite, or the amounts explain nothing.
  public init(
    _ samples: [Sample], choice: Choice = .leastSquares, lossScale: Double = .infinity
  ) throws(FitError) {
    let kinds = samples.first?.amounts.count ?? 0
    let needed = choice == .leastSquares ? kinds + 1 : 1
    guard samples.count >= needed, kinds > 0, kinds <= Self.mostCosts else {
      throw .tooFewSamples(count: samples.count, needed: needed)
    }
    for (index, sample) in samples.enumerated() {
      guard sample.time > 0 && sample.time.isFinite else {
        throw .badTime(seconds: sample.time, sample: index)
      }
      guard sample.amounts.count == kinds, sample.amounts.allSatisfy(\.isFinite),
        sample.known.isFinite, sample.known > 0 || lossScale == .infinity
      else { throw .outOfRange }
    }
    outliers = lossScale.isFinite ? try Self.outliers(samples, lossScale) : []
    let left = Set(outliers)
    let kept = samples.indices.filter { !left.contains($0) }.map { samples[$0] }
    let best = try Self.best(kept, choice, lossScale)
    var costs = [Double](repeating: 0, count: kinds)
    var covariance = [[Double]](repeating: costs, count: kinds)
    for (row, kind) in best.used.enumerated() {
      costs[kind] = best.solution.costs[row]
      for (column, other) in best.used.enumerated() {
        covariance[kind][other] = best.solution.covariance[row][column]
      }
    }
    self.costs = costs
    self.covariance = kept.count > best.used.count ? covariance : nil
  }

  /// The samples that even the fit with every cost that helps is far from: they must not decide which
  /// costs are worth having.
  private static func outliers(_ samples: [Sample], _ lossScale: Double) throws(FitError) -> [Int] {
    let (used, solution) = try best(samples, .leastSquares, lossScale)
    return Outliers.places(
      in: samples.map { log($0.predicted(solution.costs, used) / $0.time) }, lossScale: lossScale)
  }

  /// The best of all subsets of the costs.
  private static func best(
    _ samples: [Sample], _ choice: Choice, _ lossScale: Double
  ) throws(FitError) -> (used: [Int], solution: Solution) {
    let kinds = samples.first?.amounts.count ?? 0
    var best: (used: [Int], solution: Solution, score: Double)?
    if choice == .bayesian || lossScale.isFinite {
      let loss = samples.reduce(0) { sum, sample in
        sum
          + (lossScale.isFinite
            ? RobustLoss.value(log(sample.known / sample.time), lossScale)
            : pow(1 - sample.known / sample.time, 2))
      }
      let solution = Solution(costs: [], covariance: [], loss: loss)
      best = ([], solution, score(solution, samples.count, choice))
    }
    for subset in 1..<(1 << kinds) {
      let used = (0..<kinds).filter { subset >> $0 & 1 == 1 }
      // A kind that never occurs has no cost to find.
      guard used.count <= samples.count,
        used.allSatisfy({ kind in samples.contains { $0.amounts[kind] != 0 } })
      else { continue }
      let solution =
        lossScale.isFinite
        ? try robust(samples, used, lossScale) : try leastSquares(samples, used)
      let score = score(solution, samples.count, choice)
      // Of kinds that no sample tells apart the first is kept, whatever the last bits say.
      guard solution.costs.allSatisfy({ $0 >= 0 && $0.isFinite }),
        score < (best?.score ?? .infinity) - (choice == .bayesian ? 1e-6 : 0)
      else { continue }
      best = (used, solution, score)
    }
    guard let best else { throw .outOfRange }
    return (best.used, best.solution)
  }

  /// The time that the costs come to, without what is known of it.
  public func time(_ amounts: [Double]) -> Double {
    zip(costs, amounts).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private struct Solution: Hashable {
    var costs: [Double]
    var covariance: [[Double]]
    /// The sum of squared relative errors, or of the robust loss.
    var loss: Double
  }

  private static func score(_ solution: Solution, _ samples: Int, _ choice: Choice) -> Double {
    switch choice {
    case .leastSquares: return solution.loss
    case .bayesian:
      let count = Double(samples)
      // An exact fit is as good as one to a hundredth of a per cent, of which fewer costs win.
      let mean = max(1e-8, solution.loss / count)
      return count * log(mean) + Double(solution.costs.count) * log(count)
    }
  }

  /// Least squares of the relative errors over some kinds.
  private static func leastSquares(
    _ samples: [Sample], _ used: [Int]
  ) throws(FitError) -> Solution {
    try solve(
      samples.map { sample in used.map { sample.amounts[$0] / sample.time } },
      samples.map { 1 - $0.known / $0.time })
  }

  /// The least robust loss of the logarithmic errors over some kinds.
  ///
  /// Gauss-Newton steps with the loss's weights: each is a least-squares problem with rows of
  /// `amounts / predicted`, which do not contain the measured time, so that a time far too short pulls
  /// no harder than one far too long.
  private static func robust(
    _ samples: [Sample], _ used: [Int], _ lossScale: Double
  ) throws(FitError) -> Solution {
    func loss(_ costs: [Double]) -> Double {
      samples.reduce(0) { sum, sample in
        let predicted = sample.predicted(costs, used)
        guard predicted > 0 else { return .infinity }
        return sum + RobustLoss.value(log(predicted / sample.time), lossScale)
      }
    }
    var costs = used.map { _ in 0.0 }
    var current = loss(costs)
    var covariance: [[Double]] = []
    for _ in 0..<mostSteps {
      let weighted = samples.map { sample in
        let predicted = sample.predicted(costs, used)
        let error = log(predicted / sample.time)
        let weight = RobustLoss.weight(error, lossScale).squareRoot()
        return (
          row: used.map { weight * sample.amounts[$0] / predicted },
          target: weight * ((predicted - sample.known) / predicted - error)
        )
      }
      let step = try solve(weighted.map(\.row), weighted.map(\.target))
      covariance = step.covariance
      var share = 1.0
      var next = step.costs
      while loss(next) > current && share > 1e-6 {
        share /= 2
        next = zip(costs, step.costs).map { $0 + share * ($1 - $0) }
      }
      let reached = loss(next)
      guard reached < current else { break }
      let gain = current - reached
      (costs, current) = (next, reached)
      if gain <= 1e-12 * current { break }
    }
    return Solution(costs: costs, covariance: covariance, loss: current)
  }

  /// The most Gauss-Newton steps; a dozen do.
  private static let mostSteps = 100

  /// Least squares of `rows x costs = targets`, by the decomposition of GSL's solver.
  private static func solve(
    _ matrix: [[Double]], _ given: [Double]
  ) throws(FitError) -> Solution {
    let width = matrix.first?.count ?? 0
    // Columns are scaled to one size, or the solver would take bytes and calls for dependent.
    let scales = (0..<width).map { column in
      matrix.reduce(Double.leastNormalMagnitude) { max($0, abs($1[column])) }
    }
    var rows = matrix.flatMap { zip($0, scales).map { $0 / $1 } }
    var targets = given
    let count = targets.count
    var fitted = [Double](repeating: 0, count: width)
    var covariance = [Double](repeating: 0, count: width * width)
    var error = 0.0
    guard let workspace = gsl_multifit_linear_alloc(count, width) else { throw .outOfRange }
    defer { gsl_multifit_linear_free(workspace) }
    try GSL.call {
      rows.withUnsafeMutableBufferPointer { rows in
        targets.withUnsafeMutableBufferPointer { targets in
          fitted.withUnsafeMutableBufferPointer { fitted in
            covariance.withUnsafeMutableBufferPointer { covariance in
              var matrix = gsl_matrix_view_array(rows.baseAddress, count, width)
              var times = gsl_vector_view_array(targets.baseAddress, count)
              var costs = gsl_vector_view_array(fitted.baseAddress, width)
              var spread = gsl_matrix_view_array(covariance.baseAddress, width, width)
              return gsl_multifit_linear(
                &matrix.matrix, &times.vector, &costs.vector, &spread.matrix, &error, workspace)
            }
          }
        }
      }
    }
    return Solution(
      costs: zip(fitted, scales).map { $0 / $1 },
      covariance: (0..<width).map { row in
        (0..<width).map { covariance[row * width + $0] / scales[row] / scales[$0] }
      }, loss: error)
  }
}

extension NonNegativeFit.Sample {
  /// The time with these costs of some kinds.
  fileprivate func predicted(_ costs: [Double], _ used: [Int]) -> Double {
    zip(used, costs).reduce(known) { $0 + amounts[$1.0] * $1.1 }
  }
}
