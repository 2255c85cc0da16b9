public import Foundation
import GRDB

extension ResultStore {
  /// One study whose results are kept, with all that decided them.
  public struct Run: Hashable, Sendable {
    /// The number of the run in its store.
    public let id: Int64
    /// What the run is.
    public var description: Description
    /// How many points it will have; nil as long as that is open.
    public var planned: Int?
    /// When its last point came, to the millisecond; nil if some are missing.
    public var finished: Date?

    /// What a run is, before it has points.
    public struct Description: Hashable, Sendable {
      /// The name of the study.
      public var study: String
      /// The whole text of the study.
      public var studyText: String
      /// The names of the axes, in the order of a point's values.
      public var axes: [String]
      /// The version of Weft that ran.
      public var weftVersion: String
      /// The command line, word by word.
      public var commandLine: [String]
      /// The seed of the sample.
      public var seed: UInt64
      /// The host and the process that write the run.
      public var host: String
      /// The process on that host.
      public var process: Int32
      /// When the run began, to the millisecond.
      public var created: Date
      /// Everything else that decided the results.
      public var documents: [Document]

      /// Describes a run.
      public init(
        study: String, studyText: String, axes: [String], weftVersion: String,
        commandLine: [String], seed: UInt64, host: String, process: Int32, created: Date,
        documents: [Document]
      ) {
        self.study = study
        self.studyText = studyText
        self.axes = axes
        self.weftVersion = weftVersion
        self.commandLine = commandLine
        self.seed = seed
        self.host = host
        self.process = process
        self.created = created
        self.documents = documents
      }

      /// The hash of what decides the results: the study, the version and the documents.
      public var fingerprint: ResultKey {
        var key = ResultKey(of: weftVersion)
        key.add(studyText)
        for document in documents { key.add(document.hash) }
        return key
      }
    }
  }

  /// A description that decided results: a topology, a profile, a model.
  public struct Document: Hashable, Sendable {
    /// What it is: `topology`, `profile` or `model`.
    public var kind: String
    /// What it is called.
    public var name: String
    /// Its values, one `path = value` on a line.
    public var text: String

    /// Creates a document.
    public init(kind: String, name: String, text: String) {
      self.kind = kind
      self.name = name
      self.text = text
    }

    /// The hash of all of it.
    public var hash: ResultKey {
      var key = ResultKey(of: kind)
      key.add(name)
      key.add(text)
      return key
    }
  }
}

// MARK: - Runs

extension ResultStore {
  /// The run of a description: one that began before and has the same fingerprint, or a new one.
  ///
  /// The writer of an old run becomes the description's.
  /// - Returns: The run, and whether it is new.
  /// - Throws: ``StoreError`` if the store cannot be written.
  public func begin(_ description: Run.Description) throws(StoreError) -> (run: Run, isNew: Bool) {
    try writing { db in
      let fingerprint = "\(description.fingerprint)"
      if var run = try Run.fetch(db, where: "fingerprint = ?", [fingerprint]).first {
        try db.execute(
          sql: "UPDATE run SET host = ?, process = ? WHERE id = ?",
          arguments: [description.host, description.process, run.id])
        run.description.host = description.host
        run.description.process = description.process
        return (run, false)
      }
      try db.execute(
        sql: """
          INSERT INTO run (study, fingerprint, studyText, axes, weftVersion, commandLine, seed,
            host, process, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          description.study, fingerprint, description.studyText, JSONWriter.list(description.axes),
          description.weftVersion, JSONWriter.list(description.commandLine),
          Int64(bitPattern: description.seed), description.host, description.process,
          description.created,
        ])
      let id = db.lastInsertedRowID
      for document in description.documents { try Self.add(document, to: id, db) }
      return (try Run.fetch(db, where: "id = ?", [id])[0], true)
    }
  }

  /// The run of a description if it began before, with its last writer.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func run(of description: Run.Description) throws(StoreError) -> Run? {
    try reading { db in
      try Run.fetch(db, where: "fingerprint = ?", ["\(description.fingerprint)"]).first
    }
  }

  private static func add(_ document: Document, to run: Int64, _ db: Database) throws {
    let hash = "\(document.hash)"
    try db.execute(
      sql: """
        INSERT INTO document (hash, kind, name, text) VALUES (?, ?, ?, ?)
        ON CONFLICT (hash) DO NOTHING
        """, arguments: [hash, document.kind, document.name, document.text])
    try db.execute(
      sql: """
        INSERT INTO runDocument SELECT ?, id FROM document WHERE hash = ?
        ON CONFLICT (run, document) DO NOTHING
        """, arguments: [run, hash])
  }

  /// All runs, oldest first.
  ///
  /// - Throws: ``StoreError`` if the store cannot be read.
  public func runs() throws(StoreError) -> [Run] {
    try reading { db in try Run.fetch(db, where: "TRUE", []) }
  }

  /// Notes how many points a run will have, and whether it has them all.
  ///
  /// - Throws: ``StoreError`` if the store cannot be written.
  public func update(_ run: Run, planned: Int, finished: Date?) throws(StoreError) {
    try writing { db in
      try db.execute(
        sql: "UPDATE run SET planned = ?, finished = ? WHERE id = ?",
        arguments: [planned, finished, run.id])
    }
  }
}

extension ResultStore.Run {
  fileprivate static func fetch(
    _ db: Database, where condition: String, _ arguments: StatementArguments
  ) throws -> [Self] {
    let rows = try Row.fetchAll(
      db, sql: "SELECT * FROM run WHERE \(condition) ORDER BY id", arguments: arguments)
    return try rows.map { row in
      let seed: Int64 = row["seed"]
      let documents = try Row.fetchAll(
        db,
        sql: """
          SELECT kind, name, text FROM document
          JOIN runDocument ON document = id WHERE run = ? ORDER BY id
          """, arguments: [row["id"] as Int64])
      return Self(
        id: row["id"],
        description: Description(
          study: row["study"], studyText: row["studyText"],
          axes: try ResultStore.strings(row["axes"]), weftVersion: row["weftVersion"],
          commandLine: try ResultStore.strings(row["commandLine"]),
          // SQLite has signed integers only; the bits are the seed's.
          seed: UInt64(bitPattern: seed), host: row["host"], process: row["process"],
          created: row["created"],
          documents: documents.map {
            ResultStore.Document(kind: $0["kind"], name: $0["name"], text: $0["text"])
          }),
        planned: row["planned"], finished: row["finished"])
    }
  }
}
