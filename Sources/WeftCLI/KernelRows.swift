import Weft
import WeftCalibration
import WeftFiles

/// Measured kernels of files, as far as a form is meant for them.
struct KernelRows {
  /// A row of a kernel that has a form.
  struct Sample<Form: KernelForm> {
    var observation: KernelFit.Observation<Form>
    var row: KernelFile.Row
  }

  private(set) var products: [Sample<MatrixProduct>] = []
  private(set) var decodes: [Sample<DecodeAttention>] = []
  private(set) var prefills: [Sample<PrefillAttention>] = []
  private(set) var unusable: [UnusableRow] = []
  /// The files with the rows used of each.
  private(set) var data: [(file: String, rows: Int)] = []
  /// Rows of shapes that no form is meant for.
  private var left = 0
  /// What may make a comparison unfair.
  private(set) var warnings: [String] = []
  /// Whether there is nothing to pool.
  private(set) var areOfOneSystem = true

  /// What tells rows of a kind apart that do not share a fit.
  private static let setup = [
    "system", "framework", "backend", "version", "backend_version", "dtype",
  ]

  /// Reads files for a machine, and the rows of them that conditions choose.
  ///
  /// - Throws: ``InputError`` for a file, ``Failure`` if no row can be used, or if rows of one kind
  ///   are of several GPUs, types or versions and not to be pooled.
  init(
    _ paths: [String], where conditions: [String], on topology: Topology, pooled: Bool
  ) throws {
    let files = try paths.map { try KernelFile(path: $0) }
    let filter = try RowFilter(conditions, columns: files.flatMap(\.columns))
    let rows = try filter.choose(from: files.flatMap(\.rows))
    unusable = files.flatMap(\.unusable)
    for row in rows { add(row) }
    let used = kinds.flatMap(\.rows)
    for path in paths {
      let own = used.filter { $0.file == path }
      data.append((file: path, rows: own.count))
      let others = Set(own.compactMap { $0.cells["gpu"] })
        .filter { !topology.gpu.isNamed(in: $0) }.sorted()
      if !others.isEmpty {
        warnings.append(
          "\(path) has kernels of \(others.joined(separator: ", ")), the profile is for "
            + topology.gpu.title)
      }
    }
    guard !used.isEmpty else {
      throw Failure(
        .badContent, (["no row is of a kernel that has a form"] + notes).joined(separator: "; "),
        fix: "give matrix products of m up to 256, or attention from 128 tokens on")
    }
    try requireOneSystem(used, on: topology.gpu, pooled: pooled)
  }

  /// Refuses rows that do not share a fit, unless they are pooled: those of several GPUs, and within a
  /// kind of kernel those of several types or versions.
  private mutating func requireOneSystem(
    _ used: [KernelFile.Row], on gpu: GPU, pooled: Bool
  ) throws(Failure) {
    let own = kinds.flatMap { kind in
      Self.setup.map { (kind.name + ": the rows are of", $0, $0 + "s", kind.rows) }
    }
    for (what, column, plural, rows) in [("the kernels are of", "gpu", "GPUs", used)] + own {
      let values = Self.values(of: column, rows, gpu)
      guard values.count > 1 else { continue }
      areOfOneSystem = false
      guard !pooled else { continue }
      throw Failure(
        .badContent,
        "\(what) \(values.count) \(plural), which do not share a fit: "
          + values.prefix(4).joined(separator: ", "),
        fix: "choose one with --where \(column)=…, or fit them together with --pool")
    }
  }

  /// The rows by kind of kernel.
  private var kinds: [(name: String, rows: [KernelFile.Row])] {
    [
      ("gemm", products.map(\.row)), ("decode attention", decodes.map(\.row)),
      ("prefill attention", prefills.map(\.row)),
    ]
  }

  /// The different values of a column with the first row of each.
  private static func values(
    of column: String, _ rows: [KernelFile.Row], _ gpu: GPU
  ) -> [String] {
    var seen = Set<String>()
    return rows.compactMap { row in
      let text = row.cells[column] ?? ""
      let value: String
      switch column {
      case "gpu":
        // A blank one is the machine's, as long as nothing else is said.
        guard !text.isEmpty else { return nil }
        value = gpu.isNamed(in: text) ? gpu.title : text
      case "dtype": value = DataType(name: text.isEmpty ? "bf16" : text)?.rawValue ?? text
      default: value = text.lowercased()
      }
      guard seen.insert(value).inserted else { return nil }
      return row.text(of: column)
    }
  }

  private mutating func add(_ row: KernelFile.Row) {
    let seconds = row.microseconds * 1e-6
    func sample<Form: KernelForm>(_ form: Form) -> Sample<Form> {
      Sample(observation: .init(form: form, seconds: seconds), row: row)
    }
    switch row.kernel {
    // What language models run at decode; others follow other forms.
    case .product(let form) where form.m <= 256 && form.n >= 512 && form.k >= 512:
      products.append(sample(form))
    case .decode(let form)
    where form.length >= 128 && form.heads > form.keyValueHeads && form.sequences <= 256:
      decodes.append(sample(form))
    case .prefill(let form, let isGrouped) where form.length >= 128 && isGrouped:
      prefills.append(sample(form))
    case .product, .decode, .prefill: left += 1
    }
  }

  /// What tells each row from others, in whatever file it is.
  var identities: [String] {
    products.map { "\($0.observation)" } + decodes.map { "\($0.observation)" }
      + prefills.map { "\($0.observation)" }
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
    func errors<Form: KernelForm>(_ rows: [Sample<Form>]) -> [Double] {
      KernelFit.errors(rows.map(\.observation), gpu: gpu, profile: profile)
    }
    return [
      ("gemm", errors(products)), ("decode attention", errors(decodes)),
      ("prefill attention", errors(prefills)),
    ].filter { !$0.1.isEmpty }
  }
}

extension KernelFile.Row: FilteredRow {}

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
