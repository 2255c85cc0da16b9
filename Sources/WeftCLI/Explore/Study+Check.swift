import Weft
import WeftFiles
import WeftStudy

extension Study {
  /// Checks every value of the study by itself, and reads all that the points need.
  ///
  /// What two values are wrong only together is a point with a reason.
  /// - Returns: The descriptions that were read.
  /// - Throws: ``Failure`` with the line of the value that is wrong.
  func check() throws -> [ResultStore.Document] {
    try checkNames()
    var evaluator = StudyEvaluator(self)
    let first = axes.map { Self.samples($0)[0] }
    // A value is wrong if it is wrong on every machine that the study names: one network has values
    // that another has not.
    let machines = shapes(first)
    do {
      try check(machines, &evaluator, setting: []) { $0 }
    } catch {
      throw failure(error, at: origin(of: error, first))
    }
    for (index, axis) in axes.enumerated() {
      let paths = file.axes[index].paths
      let able = machines.filter { evaluator.hasValues(at: paths, $0) }
      let machines = able.isEmpty ? machines : able
      // A machine is looked at without what other axes set, which it may lack.
      let own = Self.shapes.isDisjoint(with: paths) ? nil : paths
      for text in Self.samples(axis) {
        let some = machines.filter { $0[index] == text }
        do {
          try check(some.isEmpty ? machines : some, &evaluator, setting: own) { values in
            var values = values
            values[index] = text
            return values
          }
        } catch {
          throw failure(error, at: origin(axis: index, text))
        }
      }
    }
    try readProduct(first, &evaluator)
    return evaluator.documents
  }

  /// Some values with every combination of those that decide which values a machine has.
  private func shapes(_ first: [String]) -> [[String]] {
    var points = [first]
    for (index, axis) in file.axes.enumerated()
    where !Self.shapes.isDisjoint(with: axis.paths) && points.count <= 100 {
      points = points.flatMap { point in
        Self.samples(axes[index]).map { text in
          var values = point
          values[index] = text
          return values
        }
      }
    }
    return points
  }

  /// Checks a value on some machines.
  ///
  /// - Throws: What is wrong on the first of them if it is wrong on all.
  private func check(
    _ machines: [[String]], _ evaluator: inout StudyEvaluator, setting paths: [String]? = nil,
    _ change: ([String]) -> [String]
  ) throws {
    var first: (any Error)?
    for values in machines {
      do {
        return try evaluator.check(change(values), setting: paths)
      } catch {
        first = first ?? error
      }
    }
    if let first { throw first }
  }

  /// The values of an axis that stand for all: those of a list, the bounds of a range.
  private static func samples(_ axis: Axis) -> [String] {
    switch axis.values {
    case .list(let texts): texts
    case .range(let span): [span.text(span.low), span.text(span.high)]
    }
  }

  /// Reads every description that some point needs: each depends on few of the axes.
  private func readProduct(_ first: [String], _ evaluator: inout StudyEvaluator) throws {
    let readers = Self.shapes.union(["profile", "model", "engine", "network.interconnect"])
    var points = [first]
    for (index, axis) in file.axes.enumerated() where !readers.isDisjoint(with: axis.paths) {
      points = points.flatMap { point in
        axes[index].grid.map { text in
          var values = point
          values[index] = text
          return values
        }
      }
      guard points.count <= 10_000 else { return }
    }
    // A combination that is wrong is a point with a reason; what it reads is read then.
    for point in points { _ = try evaluator.key(point) }
  }

  /// Checks the names of results that the study speaks of.
  private func checkNames() throws(Failure) {
    let results = ResultNames.all(of: file.command)
    func require(_ name: String, _ origin: YAMLNode.Origin?) throws(Failure) {
      guard !results.contains(name) else { return }
      throw Failure(
        .badContent,
        "\(origin?.place ?? file.file): '\(name)' is no result of weft \(file.command.rawValue)",
        fix: Failure.suggestion(name, results))
    }
    for objective in file.objectives {
      try require(objective.metric, objective.origin)
      if ResultNames.costs.contains(objective.metric), file.prices == nil {
        throw Failure(
          .badContent, "\(objective.origin.place ?? file.file): a cost needs prices",
          fix: "add 'prices: {gpu_hour: 2.5}'")
      }
    }
    if let metric = file.decision.metric { try require(metric, nil) }
    if case .crossover(_, _, _, let metric?) = file.refinement { try require(metric, nil) }
    for condition in file.conditions { try checkNames(of: condition, results) }
  }

  private func checkNames(of condition: Condition, _ results: [String]) throws(Failure) {
    let inputs = slots.map(\.path) + axes.map(\.name)
    let known = condition.names.filter { inputs.contains($0) || results.contains($0) }
    guard !known.isEmpty else {
      throw Failure(
        .badContent,
        "\(condition.origin.place ?? file.file): '\(condition.text)' names nothing that varies",
        fix: Failure.suggestion(condition.names.first ?? "", inputs + results))
    }
    let isOfResults = known.contains { !inputs.contains($0) }
    if isOfResults && condition.hasUnit {
      throw Failure(
        .badContent,
        "\(condition.origin.place ?? file.file): '\(condition.text)' gives a unit to a result",
        fix: "write the plain number: the name of the result says the unit")
    }
  }

  // MARK: - Places

  private func failure(_ error: any Error, at origin: YAMLNode.Origin?) -> any Error {
    let place = origin?.place ?? file.file
    switch error {
    case let error as InputError where error.kind == .missing:
      let what = error.place.map { $0 + ": " } ?? ""
      return Failure(.missing, "\(place): \(what)\(error.problem)", fix: error.fix)
    case let failure as Failure where failure.status == .internalError:
      return failure
    default:
      guard let reason = try? Failure.reason(error) else { return error }
      let parts = Self.parts(error)
      return Failure(.badContent, "\(place): \(parts?.problem ?? reason)", fix: parts?.fix)
    }
  }

  private static func parts(_ error: any Error) -> (problem: String, fix: String?)? {
    switch error {
    case let error as InputError: (error.problem, error.fix)
    case let failure as Failure: (failure.problem, failure.fix)
    case let error as WorkloadError: (error.problem, error.fix)
    default: nil
    }
  }

  /// Where the value of an axis is written.
  private func origin(axis: Int, _ text: String) -> YAMLNode.Origin {
    guard case .list(let items) = file.axes[axis].values,
      let item = items.first(where: { $0.text == text }), let setting = item.settings.first
    else { return file.axes[axis].origin }
    return setting.origin
  }

  /// The line that an error about the first point most likely means: that of a value whose path, or
  /// else whose text, the message names.
  private func origin(of error: any Error, _ first: [String]) -> YAMLNode.Origin? {
    let place = (error as? InputError)?.place ?? ""
    let message = ((try? Failure.reason(error)) ?? "\(error)") + place
    var settings = file.base.map { (path: $0.path, text: $0.value, origin: $0.origin) }
    for (index, axis) in file.axes.enumerated() {
      guard case .list(let items) = axis.values,
        let item = items.first(where: { $0.text == first[index] })
      else {
        settings.append((axis.name, first[index], axis.origin))
        continue
      }
      settings += item.settings.map { ($0.path, $0.value, $0.origin) }
    }
    let found =
      settings.first { place.contains("--set \($0.path)=") }
      ?? settings.first { message.contains("--\($0.path)") }
      ?? settings.first { message.contains("'\($0.path)'") }
      ?? settings.first { message.contains("'\($0.text)'") }
      ?? settings.first { message.hasPrefix($0.path + ":") }
      ?? settings.first { place == $0.text || place.hasSuffix("/" + $0.text) }
    return found?.origin
  }
}
