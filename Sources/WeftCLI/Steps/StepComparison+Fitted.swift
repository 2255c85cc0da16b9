import Weft
import WeftCalibration
import WeftFiles

extension StepComparison {
  /// The engine's terms fitted to rows.
  struct Fitted {
    var fit: EngineFit
    /// The profile with the terms.
    var profile: Profile
    /// The rows of the fit.
    var rows: [StepFile.Row]
    /// The different steps among them.
    var different: Int

    /// With fewer rows than this beyond one per term, a fit may follow any of them.
    private static let fewestSpare = 3

    /// The rows that were left out, being too far from all others.
    var outliers: [FarRow] {
      let predicted = fit.fitted
      return fit.outliers.map { place in
        FarRow(
          file: rows[place].file, line: rows[place].line, measured: 1000 * fit.rows[place].time,
          predicted: 1000 * predicted[place], unit: "ms")
      }
    }

    /// A median error in per cent that leaves nothing to improve.
    private static let fewPercent = 5.0

    /// What makes the fit less than it seems.
    ///
    /// Rows that are too far from all others, the first of them in words, and what terms are left.
    var warnings: [String] {
      let predicted = fit.fitted
      var warnings = FitWarnings.leftOut(outliers)
      let different = max(1, different - fit.outliers.count)
      let spare = different - fit.fittedTerms
      if spare < Self.fewestSpare {
        warnings.append(
          "\(different) different steps for \(fit.fittedTerms) terms: a bad run could not be told "
            + "from the others"
            + (profile.stepCalibration == nil ? ", and predictions bear no interval" : "")
            + "; give rows of more batches, prompts or GPU counts")
      }
      // By the rows of the fit: one that is left out says nothing of either.
      let left = Set(fit.outliers)
      let kept = rows.indices.filter { !left.contains($0) }
      let before = Accuracy.figures(kept.map { fit.rows[$0].before / fit.rows[$0].time - 1 })
      let after = Accuracy.figures(kept.map { predicted[$0] / fit.rows[$0].time - 1 })
      if let before, let after, fit.fittedTerms > 0, after.median > Self.fewPercent,
        after.median >= before.median
      {
        warnings.append(
          "the fit is no better than nominal: \(Percent.text(after.median)) median error, and "
            + "\(Percent.text(before.median)) before; check the model, its precision and the engine"
        )
      }
      if fit.fittedTerms == 0 {
        warnings.append(
          "no term makes the rows fit better, so all of them are zero or held: predictions are longer "
            + "than the rows without any, or the model, its precision or the engine is another")
      }
      return warnings
    }
  }
}
