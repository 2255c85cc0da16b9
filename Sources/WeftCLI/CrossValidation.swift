import ArgumentParser
import Weft
import WeftCalibration

/// Calls predicted by calibrations that have not seen them.
struct CrossValidation {
  /// What is left out of a fit at a time.
  enum Division: String, CaseIterable, ExpressibleByArgument {
    /// Every K-th size.
    case size
    /// A number of nodes, predicted from the smaller ones.
    case nodes
    /// A system, predicted from the others.
    case system
  }

  /// Calls to fit and calls to predict.
  private struct Fold {
    var name: String
    var fitted: [Int]
    var predicted: [Int]
  }

  var division: Division
  var folds: Int
  var fitting: FittingOptions

  /// Predicts every call that some fold can, and says what could not be.
  func predict(_ validation: inout Validation, _ progress: Progress) throws -> [String] {
    var notes: [String] = []
    let groups =
      division == .system || fitting.pool
      ? [("all", validation.served)] : validation.systems.map { ($0.name, $0.calls) }
    for (name, calls) in groups {
      let folds = division(of: calls, validation)
      if folds.isEmpty {
        notes.append("not predicted: \(name) has no folds, as \(obstacle(of: calls, validation))")
      }
      for fold in folds {
        do {
          let calibration = try CollectiveCalibration(
            fold.fitted.map(validation.observation), model: validation.model,
            topology: validation.topology, nominal: validation.profile, options: fitting.options
          ) { stage in
            progress.update(
              "\(fold.name): \(stage.name), \(stage.simulations) simulations", stage.step,
              of: stage.most)
          }
          var profile = calibration.profile
          profile.calibration = calibration.calibration
          try validation.predict(fold.predicted, under: profile) {
            progress.update(fold.name, $0, of: $1)
          }
          notes.append(
            "\(fold.name): \(calibration.terms.count) parameters from \(fold.fitted.count) calls")
        } catch let error as FitError {
          notes.append("not predicted: \(fold.name) of \(name): \(error)")
        } catch let error as CalibrationError {
          throw Failure(.badContent, error.problem, fix: error.fix)
        }
      }
    }
    return notes
  }

  /// Why there is nothing to predict from anything else.
  private func obstacle(of calls: [Int], _ validation: Validation) -> String {
    let groups = calls.map { validation.calls[$0].call }
    return switch division {
    case .size: "all calls are of \(groups.first?.bytes ?? 0) bytes"
    case .nodes: "all calls are on the same number of nodes, \(groups.first?.layout.nodes ?? 0)"
    case .system: "all calls are of one system"
    }
  }

  private func division(of calls: [Int], _ validation: Validation) -> [Fold] {
    switch division {
    case .size:
      let sizes = Set(calls.map { validation.calls[$0].call.bytes }).sorted()
      let places = Dictionary(uniqueKeysWithValues: sizes.enumerated().map { ($1, $0 % folds) })
      return (0..<folds).compactMap { fold in
        let own = calls.filter { places[validation.calls[$0].call.bytes] == fold }
        let others = calls.filter { places[validation.calls[$0].call.bytes] != fold }
        return own.isEmpty || others.isEmpty
          ? nil : Fold(name: "fold \(fold + 1) of \(folds)", fitted: others, predicted: own)
      }
    case .nodes:
      let counts = Set(calls.map { validation.calls[$0].call.layout.nodes }).sorted()
      return counts.dropFirst().map { count in
        Fold(
          name: "\(count) nodes from fewer",
          fitted: calls.filter { validation.calls[$0].call.layout.nodes < count },
          predicted: calls.filter { validation.calls[$0].call.layout.nodes == count })
      }
    case .system:
      let systems = validation.systems
      guard systems.count > 1 else { return [] }
      return systems.map { system in
        let own = Set(system.calls)
        return Fold(
          name: system.name, fitted: calls.filter { !own.contains($0) }, predicted: system.calls)
      }
    }
  }
}
