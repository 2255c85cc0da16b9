import Glibc

/// A parallel plan as a person writes it, with degrees left to the number of GPUs.
///
/// `tp` is all GPUs, `tp8` exactly 8, `tp4xpp4` is 16, `tp4xpp` gives the rest to the pipeline,
/// `tp4xdp2` has two replicas, `tp8xep8` deals experts over 8 ranks, `tp4c2` is a grid of 4 rows and
/// 2 columns, `auto` stands for every legal plan.
public struct PlanPattern: Hashable, Sendable {
  /// The text it was parsed from.
  public let text: String

  private enum Degree: Hashable {
    case fixed(Int)
    case rest
  }

  private enum Form: Hashable {
    case auto
    case chosen([ParallelPlan])
    case degrees(tensor: Degree, columns: Int, pipeline: Degree, data: Degree, expert: Int?)
  }

  private var form: Form

  /// Parses a plan.
  ///
  /// - Throws: ``WorkloadError`` if the text is no plan, names a degree twice, or leaves two degrees
  ///   open.
  public init(_ text: String) throws(WorkloadError) {
    self.text = text
    guard text != "auto" else {
      form = .auto
      return
    }
    let names = ["tp", "pp", "dp", "ep"]
    var degrees: [Degree?] = [nil, nil, nil, nil]
    var columns = 1
    for part in text.split(separator: "x", omittingEmptySubsequences: false) {
      var digits = part.dropFirst(2)
      if part.hasPrefix("tp"), let mark = digits.firstIndex(of: "c"), mark != digits.startIndex,
        let count = Int(digits[digits.index(after: mark)...]), (1...1_000_000).contains(count)
      {
        columns = count
        digits = digits[..<mark]
      }
      guard let kind = names.firstIndex(of: String(part.prefix(2))),
        digits.allSatisfy({ $0.isASCII && $0.isNumber })
      else {
        throw WorkloadError(
          "'\(text)' is not a plan",
          fix: "write tp, tp8, tp4xpp4, tp4xpp, tp4xdp2, tp8xep8, tp4c2 or auto")
      }
      guard degrees[kind] == nil else {
        throw WorkloadError("the plan '\(text)' gives \(names[kind]) twice", fix: "give it once")
      }
      if digits.isEmpty {
        degrees[kind] = .rest
      } else if let degree = Int(digits), (1...1_000_000).contains(degree) {
        degrees[kind] = .fixed(degree)
      } else {
        throw WorkloadError(
          "the plan '\(text)' has the degree \(digits)",
          fix: "give a degree from 1 to 1000000")
      }
    }
    guard degrees[..<3].count(where: { $0 == .rest }) <= 1 else {
      throw WorkloadError(
        "the plan '\(text)' leaves two degrees open", fix: "give all but one a number")
    }
    // Experts spread over what there is: all ranks of a stage unless a number is given.
    let expert: Int? =
      switch degrees[3] {
      case .fixed(let count): count
      case .rest: 0
      case nil: nil
      }
    form = .degrees(
      tensor: degrees[0] ?? .fixed(1), columns: columns, pipeline: degrees[1] ?? .fixed(1),
      data: degrees[2] ?? .fixed(1), expert: expert)
  }

  /// Whether the pattern stands for all legal plans, or for those that a search of them chose.
  public var isAuto: Bool { text == "auto" }

  /// Whether the pattern stands for all legal plans.
  var isOpen: Bool { form == .auto }

  /// The pattern with some of its plans alone.
  func among(_ plans: [ParallelPlan]) -> PlanPattern {
    var pattern = self
    pattern.form = .chosen(plans)
    return pattern
  }

  /// The plans this pattern means for a model on so many GPUs: one, or all legal ones for `auto`.
  ///
  /// - Parameters:
  ///   - model: The model to split.
  ///   - machine: The GPUs to split it over.
  ///   - fits: Whether a legal plan fits into memory; the nearest plan that errors name does.
  /// - Returns: At least one plan.
  /// - Throws: ``WorkloadError`` with the reason and the nearest legal plan if there is none.
  public func plans(
    for model: ModelConfiguration, on machine: GPUAllocation,
    fits: (ParallelPlan) -> Bool = { _ in true }
  ) throws(WorkloadError) -> [ParallelPlan] {
    switch form {
    case .auto, .chosen:
      var plans = ParallelPlan.legal(for: model, on: machine)
      if case .chosen(let some) = form { plans = some.filter { $0.gpus == machine.gpus } }
      guard plans.isEmpty else { return plans }
      throw WorkloadError(
        "no plan splits \(model.name) over \(machine.gpus) GPUs",
        fix: "use a number of GPUs that divides its heads or layers")
    case .degrees(let tensor, let columns, let pipeline, let data, let expert):
      let (plan, problem) = resolve(
        (tensor, columns, pipeline, data, expert), for: model, on: machine)
      guard let problem else { return [plan] }
      throw WorkloadError(problem, fix: nearest(to: plan, for: model, on: machine, fits: fits))
    }
  }

  /// The plan that the pattern comes to on so many GPUs, legal or not, as people write it; the
  /// pattern's own text where that is none or many.
  func name(for model: ModelConfiguration, on machine: GPUAllocation) -> String {
    guard case .degrees(let tensor, let columns, let pipeline, let data, let expert) = form else {
      return text
    }
    let plan = resolve((tensor, columns, pipeline, data, expert), for: model, on: machine).plan
    return plan.gpus == machine.gpus ? plan.description : text
  }

  private func resolve(
    _ form: (tensor: Degree, columns: Int, pipeline: Degree, data: Degree, expert: Int?),
    for model: ModelConfiguration, on machine: GPUAllocation
  ) -> (plan: ParallelPlan, problem: String?) {
    let degrees = [form.tensor, form.pipeline, form.data]
    let given = degrees.reduce(form.columns) { product, degree in
      // Four degrees of a million each may pass 64 bits.
      guard case .fixed(let count) = degree else { return product }
      let (result, overflow) = product.multipliedReportingOverflow(by: count)
      return overflow ? .max : result
    }
    guard given <= 1 << 40 else {
      return (ParallelPlan(tensor: 1), "\(text) takes far more than \(machine.gpus) GPUs")
    }
    let rest = max(1, machine.gpus / given)
    let counts = degrees.map { degree in
      if case .fixed(let count) = degree { count } else { rest }
    }
    let tensor = counts[0] * form.columns
    var expert = form.expert ?? 1
    if expert == 0 { expert = tensor * counts[2] }
    let plan = ParallelPlan(
      tensor: tensor, columns: form.columns, pipeline: counts[1], data: counts[2], expert: expert)
    if degrees.contains(.rest) && machine.gpus % given != 0 {
      return (plan, "\(machine.gpus) GPUs do not divide by the \(given) that \(text) fixes")
    }
    return (plan, machine.problem(with: plan) ?? plan.problem(with: model))
  }

  /// `nearest legal plan: tp32`, or nil, by the sum of the degrees' distances in doublings; only
  /// plans that fit into memory, if there are any.
  private func nearest(
    to plan: ParallelPlan, for model: ModelConfiguration, on machine: GPUAllocation,
    fits: (ParallelPlan) -> Bool
  ) -> String? {
    func distance(_ other: ParallelPlan) -> Double {
      // A tie goes to the plan that keeps the tensor degree; replicas change the question most.
      1.01 * abs(log2(Double(other.tensor) / Double(plan.tensor)))
        + 4 * abs(log2(Double(other.columns) / Double(plan.columns)))
        + abs(log2(Double(other.pipeline) / Double(plan.pipeline)))
        + 4 * abs(log2(Double(other.data) / Double(plan.data)))
        + 0.5 * abs(log2(Double(other.expert) / Double(plan.expert)))
    }
    let ranked = ParallelPlan.legal(for: model, on: machine).map { (distance($0), $0) }
      .sorted { $0.0 < $1.0 }
    if let fitting = ranked.first(where: { fits($0.1) }) {
      return "nearest legal plan: \(fitting.1)"
    }
    return ranked.first.map { "nearest legal plan: \($0.1), which does not fit into memory" }
  }
}

extension PlanPattern {
  /// The name of the plans that a plan's strong scaling is compared with, at other GPU counts.
  ///
  /// A pattern is its own family. Under `auto` plans form the families `tp` (tensor alone),
  /// `tp4xpp` (a tensor degree with the rest pipeline) and `tp4xpp2xdp` (the rest replicas), and
  /// `tpc2`, `tp4c2xpp`, `tp4c2xpp2xdp` of grids with so many columns. Experts over all ranks of a
  /// stage make a family `tpxep`, over fewer one for each number, as `tp4xdpxep4`: that is another
  /// way to split, not another size of it.
  public func family(of plan: ParallelPlan) -> String {
    guard isAuto else { return text }
    let isScaledByTensor = plan.pipeline == 1 && plan.data == 1
    var name = isScaledByTensor ? "tp" : "tp\(plan.rows)"
    if plan.columns > 1 { name += "c\(plan.columns)" }
    if plan.pipeline > 1 { name += plan.data > 1 ? "xpp\(plan.pipeline)" : "xpp" }
    if plan.data > 1 { name += "xdp" }
    guard plan.expert > 1 else { return name }
    return name + (plan.expert == plan.tensor * plan.data ? "xep" : "xep\(plan.expert)")
  }
}
