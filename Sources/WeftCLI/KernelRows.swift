import Weft
import WeftCalibration
import WeftFiles

/// Measured kernels of files, as far as a form is meant for them.
struct KernelRows {
  private(set) var products: [KernelFit.Observation<MatrixProduct>] = []
  private(set) var decodes: [KernelFit.Observation<DecodeAttention>] = []
  private(set) var prefills: [KernelFit.Observation<PrefillAttention>] = []
  private var unusable: [UnusableRow] = []
  /// The GPUs that rows name.
  private(set) var gpus = Set<String>()
  /// The files with the rows used of each.
  private(set) var data: [(file: String, rows: Int)] = []
  /// Rows of shapes that no form is meant for.
  private var left = 0
  /// What may make a comparison unfair.
  private(set) var warnings: [String] = []

  /// Reads files for a machine.
  ///
  /// - Throws: ``InputError`` for a file, ``Failure`` if no row can be used, or they are of several
  ///   GPUs and not to be pooled.
  init(_ paths: [String], on topology: Topology, pooled: Bool) throws {
    for path in paths {
      let file = try KernelFile(path: path)
      gpus.formUnion(
        file.gpus.map { topology.gpu.isNamed(in: $0) ? topology.gpu.title : $0 })
      let others = file.gpus.filter { !topology.gpu.isNamed(in: $0) }.sorted()
      if !others.isEmpty {
        warnings.append(
          "\(path) has kernels of \(others.joined(separator: ", ")), the profile is for "
            + topology.gpu.title)
      }
      unusable += file.unusable
      let before = count
      for row in file.rows { add(row) }
      data.append((file: path, rows: count - before))
    }
    guard pooled || gpus.count < 2 else {
      throw Failure(
        .badContent,
        "the kernels are of \(gpus.count) GPUs: \(gpus.sorted().joined(separator: ", "))",
        fix: "give those of one, or fit them together with --pool")
    }
    guard count > 0 else {
      throw Failure(
        .badContent, "no row is of a kernel that has a form",
        fix: "give matrix products of m up to 256, or attention from 128 tokens on")
    }
  }

  private var count: Int { products.count + decodes.count + prefills.count }

  private mutating func add(_ row: KernelFile.Row) {
    let seconds = row.microseconds * 1e-6
    switch row.kernel {
    // What language models run at decode; others follow other forms.
    case .product(let form) where form.m <= 256 && form.n >= 512 && form.k >= 512:
      products.append(.init(form: form, seconds: seconds))
    case .decode(let form)
    where form.length >= 128 && form.heads > form.keyValueHeads && form.sequences <= 256:
      decodes.append(.init(form: form, seconds: seconds))
    case .prefill(let form, let isGrouped) where form.length >= 128 && isGrouped:
      prefills.append(.init(form: form, seconds: seconds))
    case .product, .decode, .prefill: left += 1
    }
  }

  /// What tells each row from others, in whatever file it is.
  var identities: [String] {
    products.map { "\($0)" } + decodes.map { "\($0)" } + prefills.map { "\($0)" }
  }

  /// What was left out.
  var notes: [String] {
    var notes: [String] = []
    if left > 0 { notes.append("\(left) rows are of shapes that the forms are not fitted to") }
    if let first = unusable.first {
      notes.append(
        "not used: \(unusable.count) rows, first \(first.file):\(first.line): \(first.reason)")
    }
    return notes
  }

  /// The errors of a profile by the kind of kernel; kinds without rows are left out.
  func errors(_ gpu: GPU, _ profile: Profile) -> [(kind: String, errors: [Double])] {
    [
      ("gemm", KernelFit.errors(products, gpu: gpu, profile: profile)),
      ("decode attention", KernelFit.errors(decodes, gpu: gpu, profile: profile)),
      ("prefill attention", KernelFit.errors(prefills, gpu: gpu, profile: profile)),
    ].filter { !$0.1.isEmpty }
  }
}

extension MeasurementOptions {
  /// Whether the files are of kernel times.
  ///
  /// - Throws: ``Failure`` if some are and others are not.
  func areKernels() throws(Failure) -> Bool {
    let kernels = measurements.filter(KernelFile.isKernelFile)
    guard !kernels.isEmpty, let other = measurements.first(where: { !kernels.contains($0) }) else {
      return !kernels.isEmpty
    }
    throw Failure(
      .usage, "\(other) has no kernels, other files do",
      fix: "take kernels and collectives one after the other")
  }
}
