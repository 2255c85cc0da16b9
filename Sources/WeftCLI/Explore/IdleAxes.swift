import WeftFiles
import WeftStudy

/// Finds axes of a study that no result answers to: points that differ in such an axis alone have
/// the same results.
struct IdleAxes {
  /// One axis that has not been seen to count yet.
  private struct Suspect {
    var axis: Int
    /// The results of one point each, by the values of the other axes.
    var results: [[String]: [Double?]] = [:]
    var hasComparison = false
  }

  private let names: [String]
  private let metrics: [String]
  private var suspects: [Suspect]

  /// Points that are kept of each axis; more of them would hardly differ where these do not.
  private static let kept = 10_000

  /// Suspects every axis with several values.
  init(_ study: Study) {
    names = study.axes.map(\.name)
    metrics = ResultNames.times(of: study.file.command)
    suspects = study.axes.indices.map { Suspect(axis: $0) }
  }

  /// Looks at a point that has results.
  mutating func add(_ row: StudyRows.Row) {
    guard !suspects.isEmpty else { return }
    let found = metrics.map(row.metric)
    suspects.removeAll { suspect in
      var others = row.point.values
      others.remove(at: suspect.axis)
      return suspect.results[others].map { $0 != found } ?? false
    }
    for index in suspects.indices {
      var others = row.point.values
      others.remove(at: suspects[index].axis)
      if suspects[index].results[others] != nil {
        suspects[index].hasComparison = true
      } else if suspects[index].results.count < Self.kept {
        suspects[index].results[others] = found
      }
    }
  }

  /// A note about every axis that changes nothing.
  var notes: [String] {
    suspects.filter(\.hasComparison).map {
      "'\(names[$0.axis])' changes no result: points that differ in it alone are equal"
    }
  }
}
