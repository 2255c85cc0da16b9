import Foundation

/// Answers points by job arrays of Slurm, and collects what their tasks write into the store.
///
/// Slurm schedules; this lays out shards, submits them, moves results into the store as they come,
/// and submits again what ended without being done, a bounded number of times. All state is in the
/// folder of the job, so a collector that ends can be followed by another.
public struct SlurmExecutor: Sendable {
  /// How jobs are made and watched.
  public struct Plan: Sendable {
    /// Where the job's files are.
    public var folder: String
    /// The script of each task; its shard is the array's index.
    public var script: String
    /// What the job is called in the queue.
    public var name: String
    /// The most shards that points are dealt to.
    public var shards: Int
    /// How often a shard that failed is submitted again.
    public var retries: Int
    /// Seconds between looks at the queue.
    public var pause: Double

    /// Makes a plan.
    public init(
      folder: String, script: String, name: String, shards: Int, retries: Int, pause: Double
    ) {
      self.folder = folder
      self.script = script
      self.name = name
      self.shards = shards
      self.retries = retries
      self.pause = pause
    }
  }

  /// What is going on, for a person.
  public struct News: Hashable, Sendable {
    /// Points that are in the store.
    public var done = 0
    /// Shards that wait or run in Slurm.
    public var live = 0
    /// Shards that wait because Slurm takes no more for now.
    public var waiting = 0
    /// Shards that were submitted again.
    public var resubmitted = 0
  }

  /// Why points are left.
  public enum Ending: Error, Sendable {
    /// A shard failed too often: its number, and the last that its task printed.
    case shardFailed(Int, lastWords: String)
    /// Slurm refuses, or is not there.
    case slurm(SlurmQueue.Failure)
  }

  private let store: ResultStore
  private let run: ResultStore.Run
  private let queue: SlurmQueue
  private let plan: Plan

  /// Creates an executor for one round of points.
  public init(store: ResultStore, run: ResultStore.Run, queue: SlurmQueue, plan: Plan) {
    self.store = store
    self.run = run
    self.queue = queue
    self.plan = plan
  }

  private struct Shard {
    var attempts = 0
    /// How far each file of results is collected.
    var offsets: [String: Int] = [:]
    var isDone = false
    var isSubmitted = false
    /// Looks at the queue in a row that did not find it.
    var absences = 0
  }

  /// Answers some points and returns when they are in the store.
  ///
  /// - Parameters:
  ///   - points: The points; those that the store has are left out by the caller.
  ///   - shouldStop: Asked between looks; once true, jobs go on but nothing more is collected.
  ///   - progress: Told what is going on.
  /// - Returns: What was collected.
  /// - Throws: ``Ending``, ``StoreError``, and errors of the file system.
  public func run(
    _ points: PointQueue, shouldStop: () -> Bool, progress: (News) -> Void
  ) throws -> News {
    let folder = ShardFolder(path: plan.folder + "/points-\(points.first)")
    try layOut(points, in: folder)
    var shards: [Int: Shard] = [:]
    var jobs = Self.recordedJobs(folder)
    for shard in folder.shards { shards[shard] = Shard() }
    for task in try live(jobs) ?? [] { shards[task.index]?.isSubmitted = true }
    var news = News()
    while true {
      try collect(folder, &shards, &news)
      try lookAfter(folder, &shards, &jobs, &news)
      progress(news)
      if shards.values.allSatisfy(\.isDone) { return news }
      try giveUpIfDead(folder, shards)
      // Short steps, so that a wish to stop is heard at once.
      var left = plan.pause
      while left > 0 {
        if shouldStop() { return news }
        Thread.sleep(forTimeInterval: min(0.1, left))
        left -= 0.1
      }
    }
  }

  /// The numbers of the jobs that a job's folder remembers.
  public static func jobs(in folder: String) -> [String] {
    rounds(of: folder).flatMap { recordedJobs($0).sorted() }
  }

  /// How many shards a job's folder has, and how many of them are finished.
  public static func shards(in folder: String) -> (all: Int, done: Int) {
    rounds(of: folder).reduce((0, 0)) { sum, round in
      let shards = round.shards
      return (sum.0 + shards.count, sum.1 + shards.count(where: round.isDone))
    }
  }

  private static func rounds(of folder: String) -> [ShardFolder] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().map { ShardFolder(path: folder + "/" + $0) }
  }
}

// MARK: - Steps

extension SlurmExecutor {
  /// Deals points that no shard has yet to new shards, in turns, so that all take about as long.
  private func layOut(_ points: PointQueue, in folder: ShardFolder) throws {
    // What was laid out and never taken by Slurm may have been too many shards.
    if Self.recordedJobs(folder).isEmpty && folder.resultFiles.isEmpty { try folder.clear() }
    var dealt = Set<Int>()
    for shard in folder.shards { dealt.formUnion(try folder.points(of: shard).map(\.number)) }
    var lines: [ShardFolder.Line] = []
    for place in 0..<points.count where !points.isSkipped(place) {
      let number = points.first + place
      guard !dealt.contains(number) else { continue }
      lines.append(ShardFolder.Line(number: number, values: points.values(at: place)))
    }
    guard !lines.isEmpty else { return }
    let first = (folder.shards.last ?? -1) + 1
    let count = min(plan.shards, lines.count)
    for shard in 0..<count {
      let own = stride(from: shard, to: lines.count, by: count).map { lines[$0] }
      try folder.write(own, to: first + shard)
    }
  }

  /// Moves new results into the store, each shard's as one batch.
  private func collect(
    _ folder: ShardFolder, _ shards: inout [Int: Shard], _ news: inout News
  ) throws {
    let done = Set(shards.keys.filter(folder.isDone))
    // Listed after: what is written before the end is read after it.
    let files = folder.resultFiles
    for number in shards.keys.sorted() {
      guard var shard = shards[number], !shard.isDone else { continue }
      var lines: [ShardFolder.Line] = []
      for name in files[number] ?? [] {
        let (new, end) = try folder.results(in: name, from: shard.offsets[name] ?? 0)
        lines += new
        shard.offsets[name] = end
      }
      let points = lines.compactMap { line in
        line.key.flatMap { ResultKey(digits: $0) }.map {
          ResultStore.Point(
            number: line.number, values: line.values, key: $0, result: line.result)
        }
      }
      try store.insert(points, into: run)
      news.done += points.count
      shard.isDone = done.contains(number)
      shards[number] = shard
    }
  }

  /// Submits what is not submitted, and notices what ended without being done.
  private func lookAfter(
    _ folder: ShardFolder, _ shards: inout [Int: Shard], _ jobs: inout Set<String>,
    _ news: inout News
  ) throws {
    if let live = try live(jobs) {
      let present = Set(live.map(\.index))
      news.live = present.count { shards[$0]?.isDone == false }
      for number in shards.keys.sorted() {
        guard var shard = shards[number], shard.isSubmitted, !shard.isDone else { continue }
        // A file system between hosts may show the end later than the queue does.
        shard.absences = present.contains(number) ? 0 : shard.absences + 1
        if shard.absences >= 2 {
          shard.isSubmitted = false
          shard.absences = 0
          shard.attempts += 1
          if shard.attempts <= plan.retries { news.resubmitted += 1 }
        }
        shards[number] = shard
      }
    }
    let ready = shards.keys.sorted().filter { number in
      guard let shard = shards[number] else { return false }
      return !shard.isDone && !shard.isSubmitted && shard.attempts <= plan.retries
    }
    let submitted = try submit(ready, in: folder, &jobs)
    for number in submitted { shards[number]?.isSubmitted = true }
    news.waiting = ready.count - submitted.count
    news.live += submitted.count
  }

  /// Submits shards, fewer at a time where the queue does not take all.
  private func submit(
    _ shards: [Int], in folder: ShardFolder, _ jobs: inout Set<String>
  ) throws -> [Int] {
    var done = 0
    var size = shards.count
    while done < shards.count && size > 0 {
      let part = Array(shards[done..<min(shards.count, done + size)])
      do {
        let job = try queue.submit(
          part, name: plan.name, log: folder.path + "/%a.log", script: plan.script)
        jobs.insert(job)
        try record(job, in: folder)
        done += part.count
      } catch let failure as SlurmQueue.Failure where failure.code == .full {
        size = part.count / 2
      } catch let failure as SlurmQueue.Failure {
        throw Ending.slurm(failure)
      }
    }
    return Array(shards[..<done])
  }

  private func live(_ jobs: Set<String>) throws -> [SlurmQueue.Task]? {
    do {
      return jobs.isEmpty ? [] : try queue.live(jobs)
    } catch {
      throw Ending.slurm(error)
    }
  }

  /// Ends only when nothing else is left to wait for.
  private func giveUpIfDead(_ folder: ShardFolder, _ shards: [Int: Shard]) throws {
    let open = shards.filter { !$0.value.isDone }
    guard !open.isEmpty, open.values.allSatisfy({ $0.attempts > plan.retries }),
      let first = open.keys.min()
    else { return }
    throw Ending.shardFailed(first, lastWords: folder.lastWords(of: first))
  }

  private static func recordedJobs(_ folder: ShardFolder) -> Set<String> {
    let text = (try? String(contentsOfFile: folder.path + "/jobs", encoding: .utf8)) ?? ""
    return Set(text.split(separator: "\n").map(String.init))
  }

  private func record(_ job: String, in folder: ShardFolder) throws {
    let path = folder.path + "/jobs"
    let before = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    try (before + job + "\n").write(toFile: path, atomically: true, encoding: .utf8)
  }
}
