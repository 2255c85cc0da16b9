import Glibc

/// A parallel plan as a person writes it, with degrees left to the number of GPUs.
///
/// `tp` is all GPUs, `tp8` exactly 8, `tp4xpp4` is 16, `tp4xpp` gives the rest to the pipeline,
/// `tp4xdp2` has two replicas, `auto` stands for every legal plan of one replica.
public struct PlanPattern: Hashable, Sendable {
  /// The text it was parsed from.
  public let text: String

  private enum Degree: Hashable {
    case fixed(Int)
    case rest
  }

  private enum Form: Hashable {
    case auto
    case degrees(tensor: Degree, pipeline: Degree, data: Degree)
  }

  private let form: Form

  /// Parses a plan.
  ///
  /// - Throws: ``WorkloadError`` if the text is no plan, names a degree twice, leaves two degrees
  ///   open, or asks for expert parallelism, which dense models have no use for.
  public init(_ text: String) throws(WorkloadError) {
    self.text = text
    guard text != "auto" else {
      form = .auto
      return
    }
    let names = ["tp", "pp", "dp", "ep"]
    var degrees: [Degree?] = [nil, nil, nil, nil]
    for part in text.split(separator: "x", omittingEmptySubsequences: false) {
      let digits = part.dropFirst(2)
      guard let kind = names.firstIndex(of: String(part.prefix(2))),
        digits.allSatisfy({ $0.isASCII && $0.isNumber })
      else {
        throw WorkloadError(
          "'\(text)' is not a plan",
          fix: "write tp, tp8, tp4xpp4, tp4xpp, tp4xdp2 or auto")
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
    guard degrees[3] == nil else {
      throw WorkloadError(
        "the plan '\(text)' splits experts (ep), but dense models have none",
        fix: "leave ep out")
    }
    guard degrees.count(where: { $0 == .rest }) <= 1 else {
      throw WorkloadError(
        "the plan '\(text)' leaves two degrees open", fix: "give all but one a number")
    }
    form = .degrees(
      tensor: degrees[0] ?? .fixed(1), pipeline: degrees[1] ?? .fixed(1),
      data: degrees[2] ?? .fixed(1))
  }

  /// Whether the pattern stands for all legal plans.
  public var isAuto: Bool { form == .auto }

  /// The plans this pattern means for a model on so many GPUs: one, or all legal ones for `auto`.
  ///
  /// - Throws: ``WorkloadError`` with the reason and the nearest legal plan if there is none.
  public func plans(
    for model: ModelConfiguration, on machine: GPUAllocation
  ) throws(WorkloadError) -> [ParallelPlan] {
    switch form {
    case .auto:
      let plans = ParallelPlan.legal(for: model, on: machine, data: 1)
      guard plans.isEmpty else { return plans }
      throw WorkloadError(
        "no plan of one replica splits \(model.name) over \(machine.gpus) GPUs",
        fix: nearest(to: ParallelPlan(tensor: machine.gpus), for: model, on: machine))
    case .degrees(let tensor, let pipeline, let data):
      return [
        try resolve(tensor: tensor, pipeline: pipeline, data: data, for: model, on: machine)
      ]
    }
  }

  private func resolve(
    tensor: Degree, pipeline: Degree, data: Degree, for model: ModelConfiguration,
    on machine: GPUAllocation
  ) throws(WorkloadError) -> ParallelPlan {
    let given = [tensor, pipeline, data].reduce(1) { product, degree in
      // Three degrees of a million each stay below 2^63.
      if case .fixed(let count) = degree { product * count } else { product }
    }
    let rest = max(1, machine.gpus / given)
    let counts = [tensor, pipeline, data].map { degree in
      if case .fixed(let count) = degree { count } else { rest }
    }
    let plan = ParallelPlan(tensor: counts[0], pipeline: counts[1], data: counts[2])
    let openDegree = [tensor, pipeline, data].contains(.rest)
    let problem: String?
    if openDegree && machine.gpus % given != 0 {
      problem = "\(machine.gpus) GPUs do not divide by the \(given) that \(text) fixes"
    } else {
      problem = machine.problem(with: plan) ?? plan.problem(with: model)
    }
    guard let problem else { return plan }
    throw WorkloadError(problem, fix: nearest(to: plan, for: model, on: machine))
  }

  /// `nearest legal plan: tp32`, or nil, by the sum of the degrees' distances in doublings.
  private func nearest(
    to plan: ParallelPlan, for model: ModelConfiguration, on machine: GPUAllocation
  ) -> String? {
    func distance(_ other: ParallelPlan) -> Double {
      // A tie goes to the plan that keeps the tensor degree; replicas change the question most.
      1.01 * abs(log2(Double(other.tensor) / Double(plan.tensor)))
        + abs(log2(Double(other.pipeline) / Double(plan.pipeline)))
        + 4 * abs(log2(Double(other.data) / Double(plan.data)))
    }
    let best = ParallelPlan.legal(for: model, on: machine).min { distance($0) < distance($1) }
    return best.map { "nearest legal plan: \($0)" }
  }
}

extension PlanPattern {
  /// The name of the plans that a plan's strong scaling is compared with, at other GPU counts.
  ///
  /// A pattern is its own family. Under `auto` plans form the families `tp` (no pipeline) and
  /// `tp4xpp` (a tensor degree with the rest pipeline).
  public func family(of plan: ParallelPlan) -> String {
    guard isAuto else { return text }
    return plan.pipeline == 1 ? "tp" : "tp\(plan.tensor)xpp"
  }
}
