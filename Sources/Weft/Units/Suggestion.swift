/// Finds the known names nearest to a mistyped one.
public enum Suggestion {
  /// The `count` known names nearest to `name`, best first; ties keep the order of `known`.
  ///
  /// A dotted path is also compared by its last part alone, so that `bandwidth` finds
  /// `network.bandwidth`.
  /// - Complexity: O(known.count * longest name squared).
  public static func nearest(
    to name: String, among known: [String], count: Int = 3
  ) -> [String] {
    let ranked = known.enumerated().map { (distance(name, $1), $0, $1) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    return ranked.prefix(count).map(\.2)
  }

  /// The known name that `name` was probably meant to be; nil if none is near.
  public static func closest(to name: String, among known: [String]) -> String? {
    guard let best = nearest(to: name, among: known, count: 1).first else { return nil }
    return distance(name, best) <= max(2, name.count / 3) ? best : nil
  }

  private static func distance(_ name: String, _ known: String) -> Int {
    let whole = edits(Array(name.lowercased()), Array(known.lowercased()))
    guard let dot = known.lastIndex(of: ".") else { return whole }
    let last = known[known.index(after: dot)...]
    return min(whole, edits(Array(name.lowercased()), Array(last.lowercased())) + 1)
  }

  /// The least number of insertions, deletions and substitutions (Levenshtein 1966).
  private static func edits(_ left: [Character], _ right: [Character]) -> Int {
    var row = Array(0...right.count)
    for (i, character) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let substituted = diagonal + (character == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
      }
    }
    return row[right.count]
  }
}
