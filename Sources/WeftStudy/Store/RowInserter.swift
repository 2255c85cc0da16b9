import GRDB

/// An `INSERT` that takes many rows at a time, which costs SQLite half of what single ones do.
struct RowInserter {
  /// More rows save no more.
  static let most = 32

  private let db: Database
  private let columns: Int32
  private let one: Statement
  private let many: Statement

  /// Prepares to insert.
  ///
  /// - Parameters:
  ///   - db: The store.
  ///   - target: The table and its columns, as SQL.
  ///   - columns: How many columns.
  ///   - conflict: What to do about rows that are there already, as SQL after `ON CONFLICT`.
  /// - Throws: `DatabaseError`.
  init(_ db: Database, into target: String, columns: Int, ifThere conflict: String) throws {
    func sql(_ rows: Int) -> String {
      let row = "(" + Array(repeating: "?", count: columns).joined(separator: ",") + ")"
      let values = Array(repeating: row, count: rows).joined(separator: ",")
      return "INSERT INTO \(target) VALUES \(values) ON CONFLICT \(conflict)"
    }
    self.db = db
    self.columns = Int32(columns)
    one = try db.cachedStatement(sql: sql(1))
    many = try db.cachedStatement(sql: sql(Self.most))
  }

  /// Inserts a row for each item, in order.
  ///
  /// - Parameters:
  ///   - items: What rows are made of.
  ///   - bind: Binds an item's values to a statement from a column on.
  ///   - after: Told after each statement which items it had, and how many were new.
  /// - Throws: `DatabaseError`.
  func insert<Items: RandomAccessCollection>(
    _ items: Items, bind: (Items.Element, Statement, Int32) throws -> Void,
    after: (Items.SubSequence, Int) throws -> Void = { _, _ in }
  ) throws {
    var rest = items[...]
    while !rest.isEmpty {
      let isFull = rest.count >= Self.most
      let group = rest.prefix(isFull ? Self.most : 1)
      let statement = isFull ? many : one
      var column: Int32 = 1
      for item in group {
        try bind(item, statement, column)
        column += columns
      }
      try statement.step(db)
      try after(group, db.changesCount)
      rest = rest.dropFirst(group.count)
    }
  }
}
