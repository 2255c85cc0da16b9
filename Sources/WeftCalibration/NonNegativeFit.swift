internal import CGSL
import Glibc

/// Costs that explain measured times as sums of known amounts: `time = known + Σ cost x amount`.
///
/// Weighted linear least squares with costs that may not be negative. Weights are those of relative
/// errors, so that microseconds count as much as milliseconds. With few costs all subsets are tried
/// and the best fit without a negative cost is kept, which is the exact solution (Lawson and Hanson
/// 1974, chapter 23).
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

  /// The most kinds of amounts that a fit takes.
  public static let mostCosts = 6

  /// Fits costs to samples.
  ///
  /// - Throws: ``FitError`` if there are too few samples (by least squares, one more than costs), a
  ///   time is not positive and finite, or the amounts explain nothing.
  public init(_ samples: [Sample], choice: Choice = .leastSquares) throws(FitError) {
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
        sample.known.isFinite
      else { throw .outOfRange }
    }
    var best: (used: [Int], solution: Solution, score: Double)?
    if choice == .bayesian {
      let squares = samples.reduce(0) { $0 + pow(1 - $1.known / $1.time, 2) }
      let solution = Solution(costs: [], covariance: [], squares: squares)
      best = ([], solution, Self.score(solution, samples.count, choice))
    }
    for subset in 1..<(1 << kinds) {
      let used = (0..<kinds).filter { subset >> $0 & 1 == 1 }
      // A kind that never occurs has no cost to find.
      guard used.count <= samples.count,
        used.allSatisfy({ kind in samples.contains { $0.amounts[kind] != 0 } })
      else { continue }
      let solution = try Self.solve(samples, used)
      let score = Self.score(solution, samples.count, choice)
      guard solution.costs.allSatisfy({ $0 >= 0 && $0.isFinite }),
        score < best?.score ?? .infinity
      else { continue }
      best = (used, solution, score)
    }
    guard let best else { throw .outOfRange }
    var costs = [Double](repeating: 0, count: kinds)
    var covariance = [[Double]](repeating: costs, count: kinds)
    for (row, kind) in best.used.enumerated() {
      costs[kind] = best.solution.costs[row]
      for (column, other) in best.used.enumerated() {
        covariance[kind][other] = best.solution.covariance[row][column]
      }
    }
    self.costs = costs
    self.covariance = samples.count > best.used.count ? covariance : nil
  }

  /// The time that the costs come to, without what is known of it.
  public func time(_ amounts: [Double]) -> Double {
    zip(costs, amounts).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private struct Solution: Hashable {
    var costs: [Double]
    var covariance: [[Double]]
    /// The sum of squared relative errors.
    var squares: Double
  }

  private static func score(_ solution: Solution, _ samples: Int, _ choice: Choice) -> Double {
    switch choice {
    case .leastSquares: return solution.squares
    case .bayesian:
      let count = Double(samples)
      // An exact fit is as good as one to a hundredth of a per cent, of which fewer costs win.
      let mean = max(1e-8, solution.squares / count)
      return count * log(mean) + Double(solution.costs.count) * log(count)
    }
  }

  /// Least squares of the relative errors over some kinds, by the decomposition of GSL's solver.
  private static func solve(
    _ samples: [Sample], _ used: [Int]
  ) throws(FitError) -> Solution {
    // Columns are scaled to one size, or the solver would take bytes and calls for dependent.
    let scales = used.map { kind in
      samples.reduce(0) { max($0, abs($1.amounts[kind] / $1.time)) }
    }
    var rows: [Double] = []
    for sample in samples {
      for (kind, scale) in zip(used, scales) {
        rows.append(sample.amounts[kind] / sample.time / scale)
      }
    }
    var targets = samples.map { 1 - $0.known / $0.time }
    let width = used.count
    var fitted = [Double](repeating: 0, count: width)
    var covariance = [Double](repeating: 0, count: width * width)
    var error = 0.0
    guard
      let workspace = gsl_multifit_linear_alloc(samples.count, width)
    else { throw .outOfRange }
    defer { gsl_multifit_linear_free(workspace) }
    try GSL.call {
      rows.withUnsafeMutableBufferPointer { rows in
        targets.withUnsafeMutableBufferPointer { targets in
          fitted.withUnsafeMutableBufferPointer { fitted in
            covariance.withUnsafeMutableBufferPointer { covariance in
              var matrix = gsl_matrix_view_array(rows.baseAddress, samples.count, width)
              var times = gsl_vector_view_array(targets.baseAddress, samples.count)
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
      }, squares: error)
  }
}
