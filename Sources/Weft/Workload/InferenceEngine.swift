/// The software that runs a model: what it launches how, and which kernels a step has.
///
/// An engine is data, read from `topologies/engines`; its own costs are parameters that replace the
/// nominal ones of the profile.
public struct InferenceEngine: Hashable, Sendable {
  /// The short name, also the file's name without `.yaml`.
  public var name: String
  /// One line for a person.
  public var title: String
  /// How the kernels of a step that holds prompts are started.
  public var prefillLaunch: StepLaunch
  /// How the kernels of a decode step are started.
  public var decodeLaunch: StepLaunch
  /// How requests share the machine.
  public var batching: Batching
  /// Where the LM head is.
  public var head: Head
  /// The largest message that the engine's own all-reduce inside a node takes from the library;
  /// nil if it has none.
  public var fusedAllReduceLimit: ByteCount?
  /// Whether a tensor group may be a grid, its residual stream split over the columns.
  public var hasGrids: Bool
  /// The libraries whose result is copied out of a shared buffer before its use.
  public var copiedLibraries: [AllReduceLibrary]
  /// The share of collectives' time that other kernels of the step hide, from 0 to 1.
  public var overlap: Double
  /// The share of a GPU's memory that the engine takes, from 0 to 1.
  public var memoryShare: Double
  /// What is not an engine's choice but a fit or an assumption, each in one line.
  public var notes: [String]

  /// How requests share the machine.
  public enum Batching: Hashable, Sendable {
    /// All prompts at once, then all tokens in step.
    case `static`
    /// So many requests are always under way; each new prompt joins the others' decode steps in
    /// pieces of at most so many tokens.
    case continuous(chunk: Int)
  }

  /// Where the LM head is.
  public enum Head: String, CaseIterable, Sendable {
    /// Whole on every GPU of the last stage; no collective.
    case replicated
    /// Split by vocabulary; logits are gathered.
    case vocabularyParallel = "vocabulary-parallel"
  }

  /// Creates an engine; what is not given is as in YALIS: eager prefill, decode in CUDA graphs,
  /// static batches, a replicated head and grids.
  public init(
    name: String, title: String, prefillLaunch: StepLaunch = .eager,
    decodeLaunch: StepLaunch = .graph, batching: Batching = .static, head: Head = .replicated,
    fusedAllReduceLimit: ByteCount? = nil, hasGrids: Bool = true,
    copiedLibraries: [AllReduceLibrary] = [.nvrar],
    overlap: Double = 0, memoryShare: Double = 1, notes: [String] = []
  ) {
    self.name = name
    self.title = title
    self.prefillLaunch = prefillLaunch
    self.decodeLaunch = decodeLaunch
    self.batching = batching
    self.head = head
    self.fusedAllReduceLimit = fusedAllReduceLimit
    self.hasGrids = hasGrids
    self.copiedLibraries = copiedLibraries
    self.overlap = overlap
    self.memoryShare = memoryShare
    self.notes = notes
  }
}
