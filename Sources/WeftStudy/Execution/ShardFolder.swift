import Foundation

/// The files by which a collector and the tasks of a job array speak: points in, results out.
///
///     points-0/3.points        what shard 3 has to answer, one point on a line
///     points-0/3.17-0.results  what task 3 of job 17 has answered, appended as it comes
///     points-0/3.done          that the shard is finished
///     points-0/3.log           what its tasks printed
///
/// Lines are whole or ignored, so a task that is killed loses the line that it was writing, and the
/// next task of the shard answers what no file has. Every task writes a file of its own, even where
/// two have the same shard, as after a submission whose answer was lost. So nothing here needs locks,
/// and the folder may lie on a network file system, which a store must not.
public struct ShardFolder: Sendable {
  /// One point on its way.
  public struct Line: Hashable, Sendable, Codable {
    /// The number of the point in its run.
    public var number: Int
    /// Its values, one per axis.
    public var values: [String]
    /// The key of its result as hexadecimal digits; nil as long as there is none.
    public var key: String?
    /// The result, on its way as JSON text; nil as long as there is none.
    public var result: StoredResult?
  }

  /// The folder.
  public let path: String

  /// Names a folder, whether or not it is there.
  public init(path: String) {
    self.path = path
  }

  private func file(_ shard: Int, _ ending: String) -> URL {
    URL(fileURLWithPath: path).appendingPathComponent("\(shard).\(ending)")
  }

  /// The shards that were laid out, in order.
  public var shards: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasSuffix(".points") }
      .compactMap { Int($0.dropLast(".points".count)) }.sorted()
  }

  /// Whether a shard is finished.
  public func isDone(_ shard: Int) -> Bool {
    FileManager.default.fileExists(atPath: file(shard, "done").path)
  }

  /// Lays out a shard.
  ///
  /// - Throws: An error of the file system.
  public func write(_ points: [Line], to shard: Int) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    var data = Data()
    for point in points { data += try Self.encoded(point) }
    try data.write(to: file(shard, "points"), options: .atomic)
  }

  /// Takes back all shards that were laid out.
  ///
  /// - Throws: An error of the file system.
  public func clear() throws {
    for shard in shards { try FileManager.default.removeItem(at: file(shard, "points")) }
  }

  /// What a shard has to answer.
  ///
  /// - Throws: An error of the file system, or if a line is not a point.
  public func points(of shard: Int) throws -> [Line] {
    try Self.lines(in: try Data(contentsOf: file(shard, "points"))).lines
  }

  /// The files of results by their shards.
  public var resultFiles: [Int: [String]] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    let files = names.filter { $0.hasSuffix(".results") }.sorted()
    return Dictionary(grouping: files) { Int($0.prefix { $0 != "." }) ?? -1 }
  }

  /// What a file of results holds from a byte on, and where the next answers begin.
  ///
  /// - Throws: An error of the file system, or if a whole line is no answer.
  public func results(in name: String, from offset: Int) throws -> (lines: [Line], end: Int) {
    let handle = try FileHandle(
      forReadingFrom: URL(fileURLWithPath: path).appendingPathComponent(name))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(offset))
    let (lines, length) = try Self.lines(in: try handle.readToEnd() ?? Data())
    return (lines, offset + length)
  }

  /// The last lines that a shard's task printed, for a message; empty if it printed nothing.
  public func lastWords(of shard: Int) -> String {
    guard let data = try? Data(contentsOf: file(shard, "log")) else { return "" }
    let text = String(decoding: data.suffix(2000), as: UTF8.self)
    return text.split(separator: "\n").suffix(2).joined(separator: " / ")
  }

  private static func encoded(_ line: Line) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(line) + Data("\n".utf8)
  }

  /// The whole lines of some bytes, and how many bytes they are.
  private static func lines(in data: Data) throws -> (lines: [Line], length: Int) {
    guard let last = data.lastIndex(of: 0x0A) else { return ([], 0) }
    let whole = data[data.startIndex...last]
    let decoder = JSONDecoder()
    let lines = try whole.split(separator: 0x0A).map { try decoder.decode(Line.self, from: $0) }
    return (lines, whole.count)
  }
}

// MARK: - Tasks

extension ShardFolder {
  /// Answers what a shard lacks, as the task of a job array does.
  ///
  /// - Parameters:
  ///   - shard: The shard.
  ///   - attempt: What tells this task from others of the shard.
  ///   - evaluator: What answers the points.
  ///   - shouldStop: Asked before each point.
  /// - Returns: Whether the shard is finished; if not, it was to stop.
  /// - Throws: What the evaluator throws, and errors of the file system; what is answered is kept.
  public func answer(
    _ shard: Int, attempt: String, _ evaluator: inout some PointEvaluator,
    shouldStop: () -> Bool
  ) throws -> Bool {
    let target = file(shard, attempt + ".results")
    var done = Set<Int>()
    var end = 0
    for name in resultFiles[shard] ?? [] {
      let (known, length) = try results(in: name, from: 0)
      done.formUnion(known.map(\.number))
      if name == target.lastPathComponent { end = length }
    }
    if !FileManager.default.fileExists(atPath: target.path) { try Data().write(to: target) }
    let handle = try FileHandle(forUpdating: target)
    defer { try? handle.close() }
    // Behind the last whole line, where the same task was begun before by hand.
    try handle.truncate(atOffset: UInt64(end))
    try handle.seekToEnd()
    var waiting = Data()
    var written = ContinuousClock.now
    for var point in try points(of: shard) where !done.contains(point.number) {
      if shouldStop() {
        try handle.write(contentsOf: waiting)
        return false
      }
      do {
        point.key = try evaluator.key(point.values).description
        point.result = try evaluator.result(point.values)
      } catch {
        try handle.write(contentsOf: waiting)
        throw error
      }
      waiting += try Self.encoded(point)
      if ContinuousClock.now - written > .milliseconds(50) {
        try handle.write(contentsOf: waiting)
        waiting = Data()
        written = .now
      }
    }
    try handle.write(contentsOf: waiting)
    try handle.synchronize()
    try Data().write(to: file(shard, "done"))
    return true
  }
}
