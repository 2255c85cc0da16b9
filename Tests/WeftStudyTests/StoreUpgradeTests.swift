import Foundation
import GRDB
import TestSupport
import Testing

@testable import WeftStudy

/// Stores of the first layout, whose results had their names in each row.
@Suite struct StoreUpgradeTests {
  private let folder: TemporaryFolder
  private var path: String { folder.path + "/old.sqlite" }

  init() throws { folder = try TemporaryFolder() }

  private static let description = ResultStore.Run.Description(
    study: "old", studyText: "name: old\n", axes: ["nodes"], weftVersion: "0.1.0",
    commandLine: ["weft"], seed: 7, host: "here", process: 12,
    created: Date(timeIntervalSince1970: 1_700_000_000),
    documents: [ResultStore.Document(kind: "topology", name: "flat", text: "a = 1\n")])

  /// Results in all their forms; the last but one is deeper than Weft reads, the last is a list.
  private static let results =
    (0..<20).map { #"{"time_us":\#($0).50,"breakdown_us":{"launch":1,"latency":2e-3}}"# }
    + [
      #"{"reason":"2 nodes, \"no\" more"}"#, #"{}"#, #"{"a":null,"b":[1,"x"],"c":{}}"#,
      String(repeating: #"{"a":"#, count: 40) + "1" + String(repeating: "}", count: 40), "[1,2]",
    ]

  private static func key(_ number: Int) -> ResultKey { ResultKey(of: "key \(number)") }

  /// Makes a store as the first migration alone has it, with a point for each result.
  private func makeOldStore() throws {
    let queue = try DatabaseQueue(path: path)
    try StoreLayout.migrator.migrate(queue, upTo: StoreLayout.migrator.migrations[0])
    try queue.write { db in
      try db.execute(
        sql: """
          INSERT INTO run (study, fingerprint, studyText, axes, weftVersion, commandLine, seed, host,
            process, created) VALUES ('old', ?, 'name: old\n', '["nodes"]', '0.1.0', '["weft"]', 7,
            'here', 12, ?);
          """,
        arguments: ["\(Self.description.fingerprint)", Self.description.created])
      let document = Self.description.documents[0]
      try db.execute(
        sql: "INSERT INTO document (hash, kind, name, text) VALUES (?, ?, ?, ?)",
        arguments: ["\(document.hash)", document.kind, document.name, document.text])
      try db.execute(sql: "INSERT INTO runDocument (run, document) VALUES (1, 1)")
      for (number, result) in Self.results.enumerated() {
        let key = Self.key(number)
        try db.execute(
          sql: "INSERT INTO result (id, keyHigh, keyLow, value) VALUES (?, ?, ?, ?)",
          arguments: [
            3 * number + 1, Int64(bitPattern: key.high), Int64(bitPattern: key.low), result,
          ])
        try db.execute(
          sql: #"INSERT INTO point (run, number, "values", result) VALUES (1, ?, ?, ?)"#,
          arguments: [number, #"["\#(number)"]"#, 3 * number + 1])
      }
    }
    try queue.close()
  }

  private func point(_ number: Int, _ json: String) -> ResultStore.Point {
    ResultStore.Point(
      number: number, values: ["\(number)"], key: Self.key(number),
      result: StoredResult(json: json))
  }

  @Test func `nothing of an old store is lost, and its run goes on`() throws {
    try makeOldStore()
    let store = try ResultStore(path: path)
    let (run, isNew) = try store.begin(Self.description)
    #expect(!isNew && run.description == Self.description)
    let count = Self.results.count
    #expect(try store.known((0...count).map(Self.key)) == (0...count).map { $0 < count })
    // An old result is kept where a new one has its key; a new point goes behind the old ones.
    try store.insert([point(0, "{}"), point(count, #"{"time_us":3}"#)], into: run)
    var results: [String] = []
    try store.forEachPoint(of: run) { point in
      #expect(point.number == results.count && point.values == ["\(point.number)"])
      #expect(point.key == Self.key(point.number))
      results.append(try #require(point.result).json)
    }
    // What is too deep to take apart is kept whole, as a text.
    var expected = Self.results + [#"{"time_us":3}"#]
    expected[count - 2] = JSONWriter.list([expected[count - 2]])
    expected[count - 2] = String(expected[count - 2].dropFirst().dropLast())
    #expect(results == expected)
    #expect(try store.counts(of: run) == (count + 1, 1))
  }

  @Test func `an upgraded store has all tables, and only those of the new layout`() throws {
    try makeOldStore()
    _ = try ResultStore(path: path)
    let new = folder.path + "/new.sqlite"
    _ = try ResultStore(path: new)
    func tables(_ path: String) throws -> [String] {
      try DatabaseQueue(path: path).read { db in
        #expect(try String.fetchOne(db, sql: "PRAGMA integrity_check") == "ok")
        return try String.fetchAll(
          db, sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
      }
    }
    #expect(try tables(path) == tables(new))
    #expect(try tables(new).contains { $0.contains("shape") })
  }

  @Test func `several processes may upgrade at once`() async throws {
    try makeOldStore()
    let path = path
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask {
          let store = try ResultStore(path: path)
          let run = try #require(try store.runs().first)
          #expect(try store.numbers(of: run).count == Self.results.count)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `a result is taken apart and joined to the letter`() throws {
    for json in Self.results.filter({ $0.count < 100 }) + ["1", "null", #""x""#, "[]"] {
      let result = try #require(StoredResult(json: json))
      #expect(result.json == json)
      #expect(ResultShape(text: result.shape.text) == result.shape)
    }
    let result = try #require(
      StoredResult(json: #" { "a" : 1.0 , "b" : { "c" : [ 2 ] , "d" : "x" } } "#))
    #expect(result.shape.text == #"{"a":0,"b":{"c":1,"d":2}}"#)
    #expect(result.values == #"[1.0,[ 2 ],"x"]"#)
    #expect(result.read("b.d") { $0.string() } == "x")
    #expect(result.read("a") { $0.word() } == "1.0")
    #expect(result.read("b") { $0.word() } == nil && result.read("e") { $0.word() } == nil)
    for wrong in ["", "{1}", "{", #"{"a":}"#, "nan", "[1", "{} {}", #"{"a":1,}"#] {
      #expect(StoredResult(json: wrong) == nil, "\(wrong)")
    }
    for wrong in ["", "{", #"{"a":1}"#, #"{"a": 0}"#, #"{"a":0,"b":0}"#] {
      #expect(ResultShape(text: wrong) == nil, "\(wrong)")
    }
  }
}
