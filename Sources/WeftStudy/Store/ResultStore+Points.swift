import GRDB

extension ResultStore {
  /// One point of a run.
  public struct Point: Hashable, Sendable {
    /// Its number in the run.
    public var number: Int
    /// Its values, one per axis of the run.
    public var values: [String]
    /// The hash of all that decides its result.
    public var key: ResultKey
    /// The result; nil if the store has it already.
    public var result: StoredResult?

    /// Creates a point.
    public init(number: Int, values: [String], key: ResultKey, result: StoredResult?) {
      self.number = number
      self.values = values
      self.key = key
      self.result = result
    }
  }

  /// Adds a batch of points to a run, all or none; of a number or a key the first result is kept.
  ///
  /// - Returns: How many results are new to the store.
  /// - Throws: ``StoreError`` if a point without a result is not known, or the store cannot be
  ///   written.
  @discardableResult
  public func insert(_ points: [Point], into run: Run) throws(StoreError) -> Int {
    guard !points.isEmpty else { return 0 }
    let path = path
    return try writing { db in
      let (results, new) = try Self.addResults(of: points, db, path: path)
      let rows = try RowInserter(
        db, into: #"point (run, number, "values", result)"#, columns: 4,
        ifThere: "(run, number) DO NOTHING")
      var values = JSONWriter(capacity: 128)
      try rows.insert(
        points.indices,
        bind: { index, statement, column in
          statement.bind(run.id, at: column)
          statement.bind(Int64(points[index].number), at: column + 1)
          values.clear()
          values.append(list: points[index].values)
          statement.bind(values, at: column + 2)
          statement.bind(results[index], at: column + 3)
        })
      return new
    }
  }

  /// Adds the results that points have; gives the results' numbers in the store, and how many are
  /// new.
  private static func addResults(
    of points: [Point], _ db: Database, path: String
  ) throws -> (ids: [Int64], new: Int) {
    let before = try Int64.fetchOne(db, sql: "SELECT MAX(id) FROM result") ?? 0
    // Neighbours in the index are written together.
    let order = Self.sorted(points.map(\.key)).filter { points[$0].result != nil }
    let rows = try RowInserter(
      db, into: #"result (id, keyHigh, keyLow, shape, "values")"#, columns: 5,
      ifThere: "(keyHigh, keyLow) DO NOTHING")
    let find = try db.cachedStatement(sql: Self.findResult)
    var shapes = ShapeIDs(db)
    // Numbers in the store; 0 as long as one is not known.
    var ids = [Int64](repeating: 0, count: points.count)
    var last = before
    var new = 0
    try rows.insert(
      order,
      bind: { index, statement, column in
        guard let result = points[index].result else { return }
        last += 1
        ids[index] = last
        statement.bind(last, at: column)
        Self.bind(points[index].key, to: statement, at: column + 1)
        statement.bind(try shapes.id(of: result.shape), at: column + 3)
        statement.bind(result.values, at: column + 4)
      },
      after: { group, added in
        new += added
        // Some were there already: which, the index knows.
        if added < group.count { for index in group { ids[index] = 0 } }
      })
    for index in points.indices where ids[index] == 0 {
      Self.bind(points[index].key, to: find, at: 1)
      guard let id = try find.step(db) else {
        throw StoreError(.database, path: path, "a result that was known is gone; run again")
      }
      ids[index] = id
    }
    return (ids, new)
  }

  /// Which of some keys have results.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func known(_ keys: [ResultKey]) throws(StoreError) -> [Bool] {
    try reading { db in
      let most = RowInserter.most
      let rows = Array(repeating: "(?,?,?)", count: most).joined(separator: ",")
      let statement = try db.cachedStatement(
        sql: """
          WITH wanted (place, high, low) AS (VALUES \(rows))
          SELECT place FROM wanted CROSS JOIN result ON keyHigh = high AND keyLow = low
          """)
      var known = [Bool](repeating: false, count: keys.count)
      // Neighbours in the index are read together.
      let order = Self.sorted(keys)
      for first in stride(from: 0, to: order.count, by: most) {
        for row in 0..<most {
          // The last one stands in for rows that are too many.
          let index = order[min(first + row, order.count - 1)]
          let column = Int32(3 * row + 1)
          statement.bind(Int64(index), at: column)
          Self.bind(keys[index], to: statement, at: column + 1)
        }
        try statement.forEachRow(db) { known[Int($0)] = true }
      }
      return known
    }
  }

  /// Gives each point of a run with its result, in the order of their numbers.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read, and what `body` throws.
  public func forEachPoint(of run: Run, _ body: (Point) throws -> Void) throws {
    let pool = pool
    try pool.read { db in
      let shapes = try ShapeIDs.all(db)
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT number, point."values", keyHigh, keyLow, shape, result."values" FROM point
          JOIN result ON result.id = point.result WHERE run = ? ORDER BY number
          """, arguments: [run.id])
      while let row = try rows.next() {
        let (high, low): (Int64, Int64) = (row[2], row[3])
        guard let shape = shapes[row[4]] else {
          throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a result has no names")
        }
        try body(
          Point(
            number: row[0], values: try Self.strings(row[1]),
            key: ResultKey(high: UInt64(bitPattern: high), low: UInt64(bitPattern: low)),
            result: StoredResult(shape: shape, values: row[5])))
      }
    }
  }

  /// The numbers of a run's points, in order.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func numbers(of run: Run) throws(StoreError) -> [Int] {
    try reading { db in
      try Int.fetchAll(
        db, sql: "SELECT number FROM point WHERE run = ? ORDER BY number", arguments: [run.id])
    }
  }

  /// How many points a run has, and how many of them have a reason in place of a time.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func counts(of run: Run) throws(StoreError) -> (points: Int, refused: Int) {
    try reading { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          SELECT COUNT(*), COUNT(
            json_extract(result."values", '$[' || json_extract(shape.names, '$.reason') || ']'))
          FROM point JOIN result ON result.id = point.result JOIN shape ON shape.id = result.shape
          WHERE run = ?
          """, arguments: [run.id])
      return (row?[0] ?? 0, row?[1] ?? 0)
    }
  }

  private static let findResult = "SELECT id FROM result WHERE keyHigh = ? AND keyLow = ?"

  /// SQLite has signed integers only; the bits are the key's.
  private static func bind(_ key: ResultKey, to statement: Statement, at column: Int32) {
    statement.bind(Int64(bitPattern: key.high), at: column)
    statement.bind(Int64(bitPattern: key.low), at: column + 1)
  }

  /// The places of some keys in the order of the index.
  private static func sorted(_ keys: [ResultKey]) -> [Int] {
    keys.indices.sorted { left, right in
      let (left, right) = (keys[left], keys[right])
      return left.high == right.high
        ? Int64(bitPattern: left.low) < Int64(bitPattern: right.low)
        : Int64(bitPattern: left.high) < Int64(bitPattern: right.high)
    }
  }

  static func strings(_ json: String) throws -> [String] {
    guard let texts = JSONReader.strings(json) else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "'\(json)' is no list of texts")
    }
    return texts
  }
}

/// The numbers that the shapes of some results have in the store; new ones are added to it.
struct ShapeIDs {
  private let db: Database
  private var ids: [ResultShape: Int64] = [:]
  /// Shapes that were asked for lately, to be found without hashing their text.
  private var recent: [(shape: ResultShape, id: Int64)] = []

  init(_ db: Database) {
    self.db = db
  }

  /// The number of a shape.
  ///
  /// - Throws: `DatabaseError`.
  mutating func id(of shape: ResultShape) throws -> Int64 {
    for (known, id) in recent where known === shape { return id }
    let id = try ids[shape] ?? store(shape)
    ids[shape] = id
    if recent.count == 8 { recent.removeFirst() }
    recent.append((shape, id))
    return id
  }

  private func store(_ shape: ResultShape) throws -> Int64 {
    try db.execute(
      sql: "INSERT INTO shape (names) VALUES (?) ON CONFLICT (names) DO NOTHING",
      arguments: [shape.text])
    let id = try Int64.fetchOne(
      db, sql: "SELECT id FROM shape WHERE names = ?", arguments: [shape.text])
    guard let id else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "names of results are gone")
    }
    return id
  }

  /// All shapes of a store by their numbers.
  ///
  /// - Throws: `DatabaseError`.
  static func all(_ db: Database) throws -> [Int64: ResultShape] {
    var shapes: [Int64: ResultShape] = [:]
    for row in try Row.fetchAll(db, sql: "SELECT id, names FROM shape") {
      let (id, names): (Int64, String) = (row[0], row[1])
      guard let shape = ResultShape(text: names) else {
        throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "'\(names)' are no names")
      }
      shapes[id] = shape
    }
    return shapes
  }
}
