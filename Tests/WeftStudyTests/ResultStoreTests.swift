import Foundation
import GRDB
import TestSupport
import Testing

@testable import WeftStudy

@Suite struct ResultStoreTests {
  private let folder: TemporaryFolder
  private var path: String { folder.path + "/store.sqlite" }

  init() throws { folder = try TemporaryFolder() }

  private static func description(
    _ study: String = "a study", text: String = "name: a \"study\"\n", seed: UInt64 = .max
  ) -> ResultStore.Run.Description {
    ResultStore.Run.Description(
      study: study, studyText: text, axes: ["nodes", "network.latency"], weftVersion: "0.1.0",
      commandLine: ["weft", "explore", "a \"study\".yaml"], seed: seed, host: "here", process: 12,
      created: Date(timeIntervalSince1970: 1_700_000_000.125),
      documents: [
        ResultStore.Document(kind: "topology", name: "flat", text: "network.latency = 2 us\n"),
        ResultStore.Document(kind: "profile", name: "a100", text: "nccl.base = 1e-06\n"),
      ])
  }

  private static func points(_ numbers: Range<Int>) -> [ResultStore.Point] {
    numbers.map { number in
      ResultStore.Point(
        number: number, values: ["\(number)", "2 us"], key: ResultKey(of: "key \(number)"),
        result: StoredResult(json: #"{"time_us":\#(number).50}"#))
    }
  }

  private func points(_ store: ResultStore, _ run: ResultStore.Run) throws -> [ResultStore.Point] {
    var points: [ResultStore.Point] = []
    try store.forEachPoint(of: run) { points.append($0) }
    return points
  }

  @Test func `what goes in comes out in the order of numbers, also after reopening`() throws {
    let store = try ResultStore(path: path)
    let (first, isNew) = try store.begin(Self.description())
    let second = try store.begin(Self.description("another", text: "else")).run
    #expect(isNew && first.id != second.id)
    #expect(try store.insert(Self.points(5..<12), into: first) == 7)
    #expect(try store.insert(Self.points(0..<5), into: first) == 5)
    for store in [store, try ResultStore(path: path)] {
      #expect(try store.runs() == [first, second])
      #expect(try points(store, first) == Self.points(0..<12))
      #expect(try points(store, second) == [])
      #expect(try store.numbers(of: first) == Array(0..<12))
    }
    #expect(first.description == Self.description())
    #expect(first.planned == nil && first.finished == nil)
  }

  @Test func `the same study goes on in its run, another is a new one`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    var again = Self.description()
    again.process = 99
    again.created = Date()
    #expect(try store.run(of: again) == run)
    let (same, isNew) = try store.begin(again)
    #expect(!isNew && same.id == run.id && same.description.process == 99)
    #expect(same.description.created == run.description.created)
    var changed = Self.description()
    changed.documents[0].text = "network.latency = 1 us\n"
    #expect(try store.run(of: changed) == nil)
    #expect(try store.begin(changed).isNew)
    try store.update(run, planned: 12, finished: Date(timeIntervalSince1970: 1_800_000_000))
    let stored = try #require(try store.runs().first)
    #expect(stored.planned == 12)
    #expect(stored.finished == Date(timeIntervalSince1970: 1_800_000_000))
  }

  @Test func `a result is kept once, whichever run asked first`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    let other = try store.begin(Self.description("another", text: "else")).run
    try store.insert(Self.points(0..<3), into: run)
    #expect(try store.known(Self.points(1..<5).map(\.key)) == [true, true, false, false])
    // From the store, and computed a second time with another text.
    var known = Self.points(0..<2)
    known[0].result = nil
    known[1].result = StoredResult(json: "[]")
    #expect(try store.insert(known, into: other) == 0)
    #expect(try points(store, other) == Self.points(0..<2))
    #expect(try store.insert(Self.points(0..<4), into: run) == 1)
    #expect(try points(store, run) == Self.points(0..<4))
  }

  @Test func `a batch with an unknown result leaves nothing`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    var bad = Self.points(0..<40)
    bad[2].result = nil
    #expect(throws: StoreError.self) { try store.insert(bad, into: run) }
    #expect(try points(store, run) == [])
  }

  @Test func `many rows go in at once, whichever of them are there already`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    #expect(try store.insert([], into: run) == 0)
    var all = Self.points(0..<100)
    #expect(try store.insert(Array(all[30..<35]), into: run) == 5)
    // Two points of one key: the first result is both's.
    all[50].key = all[49].key
    all[70].result = StoredResult(json: #"{"time_us":1,"parts":{"latency":2}}"#)
    #expect(try store.insert(all.reversed(), into: run) == 94)
    all[49].result = all[50].result
    #expect(try points(store, run) == all)
  }

  @Test func `points with a reason are counted apart`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    var some = Self.points(0..<3)
    some[1].result = StoredResult(json: #"{"reason":"no such plan"}"#)
    some[2].result = StoredResult(json: #"{"time_us":1,"reason":null}"#)
    try store.insert(some, into: run)
    let counts = try store.counts(of: run)
    #expect(counts.points == 3 && counts.refused == 1)
  }

  @Test func `a store of a newer version is refused and left alone`() throws {
    _ = try ResultStore(path: path)
    try DatabaseQueue(path: path).write { db in
      try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 of the future')")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let error = try #require(throws: StoreError.self) { try ResultStore(path: path) }
    #expect(error.code == .newerVersion)
    #expect(
      error.description
        == "\(path): the store was written by a newer version of Weft; "
        + "use that version or another store")
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func `another program's database is refused and left alone`() throws {
    try DatabaseQueue(path: path).write { db in try db.execute(sql: "CREATE TABLE theirs (a)") }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    let error = try #require(throws: StoreError.self) { try ResultStore(path: path) }
    #expect(error.code == .notAStore)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func `a text file is refused`() throws {
    let file = try folder.write(String(repeating: "time_us,1.5\n", count: 100), to: "results.csv")
    let error = try #require(throws: StoreError.self) { try ResultStore(path: file) }
    #expect(
      error
        == StoreError(
          .notAStore, path: file, "the file is not a SQLite database", fix: "name another file"))
  }

  @Test func `a path that can be no file is an error`() throws {
    let error = try #require(throws: StoreError.self) {
      try ResultStore(path: folder.path + "/missing/store.sqlite")
    }
    #expect(error.code == .noFile && error.message.contains("there is no folder"))
    let taken = try #require(throws: StoreError.self) { try ResultStore(path: folder.path) }
    #expect(taken.code == .noFile && taken.message.contains("this is a folder"))
    #expect(throws: StoreError.self) { try ResultStore(path: "") }
  }

  @Test func `a store that is deleted or replaced in use takes no more`() throws {
    let store = try ResultStore(path: path)
    let run = try store.begin(Self.description()).run
    try store.insert(Self.points(0..<3), into: run)
    try FileManager.default.removeItem(atPath: path)
    for _ in 0..<2 {
      let error = try #require(throws: StoreError.self) {
        try store.insert(Self.points(3..<6), into: run)
      }
      #expect(error.code == .gone)
      _ = try folder.write("", to: "store.sqlite")
    }
  }

  @Test func `stores on one file are opened and written at once`() async throws {
    let path = path
    let run = try await withThrowingTaskGroup(of: ResultStore.self) { group in
      // Creating the file at once is the harder part.
      for _ in 0..<4 { group.addTask { try ResultStore(path: path) } }
      let stores = try await group.reduce(into: []) { $0.append($1) }
      let run = try stores[0].begin(Self.description()).run
      try await withThrowingTaskGroup { group in
        for (index, store) in stores.enumerated() {
          group.addTask {
            // Every point is written by two of the stores.
            for batch in 0..<10 {
              let first = 10 * ((index / 2) * 10 + batch)
              try store.insert(Self.points(first..<first + 10), into: run)
            }
          }
        }
        try await group.waitForAll()
      }
      return run
    }
    #expect(try points(try ResultStore(path: path), run) == Self.points(0..<200))
  }

  @Test func `the file is in write-ahead mode`() throws {
    let store = try ResultStore(path: path)
    let mode = try DatabaseQueue(path: path).read { db in
      try String.fetchOne(db, sql: "PRAGMA journal_mode")
    }
    #expect(mode == "wal")
    #expect(store.path == path)
  }

  @Test func `keys are FNV-1a of 128 bits`() {
    #expect("\(ResultKey())" == "6c62272e07bb014262b821756295c58d")
    // By big integers of another language, with the byte 0xff that ends a text.
    #expect("\(ResultKey(of: "ring"))" == "0e3e3200fa83d94f70817abdbffb5884")
    var joined = ResultKey(of: "a")
    joined.add("b")
    #expect(joined != ResultKey(of: "ab"))
  }

  @Test func `JSON lists of texts are sound whatever the texts hold`() throws {
    let texts = ["", "a\"b\\c", "line\nfeed\u{1}", "25 GB/s", "µ"]
    let json = JSONWriter.list(texts)
    #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == texts)
    #expect(JSONReader.strings(json) == texts)
    #expect(JSONReader.strings(" [ ] ") == [])
    for wrong in ["", "[", "[1]", "[\"a\"", "{\"a\":1}", "[\"a\",]"] {
      #expect(JSONReader.strings(wrong) == nil, "\(wrong)")
    }
  }
}
