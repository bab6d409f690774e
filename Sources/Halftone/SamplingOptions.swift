internal import Tensors
internal import Workbench

/// What to draw. Image k depends on the model, the sampler, the guidance, the seed, its label and k alone: not on how many are
/// drawn with it, in what batches, or on how many threads.
public struct SamplingOptions: Sendable, Equatable {
  /// What runs the networks.
  public enum Executor: String, Sendable, CaseIterable {
    /// Naive loops: the definition, slow.
    case reference
    /// Fast Float32, sums one after another; of a quantised model, simulated quantisation.
    case float
    /// The same with 3x3 convolutions by Winograd's transformed tiles; what models take whose activations are float.
    case winograd
    /// Products of bfloat16, where the processor has them, of models whose activations are float.
    case bf16
    /// Integer arithmetic; quantised models only, and what those with quantised activations take.
    case integer
  }

  /// How many images.
  public var count: Int
  /// The number of the first one.
  public var first: Int
  /// Of the noise.
  public var seed: UInt64
  /// Classes in turn: image k gets the label at k modulo their number. nil: every class in turn, or none for a model that
  /// takes none.
  public var labels: [Int]?
  /// Scale S of classifier-free guidance, e_u + S (e_c - e_u); nil: what a quantised model was calibrated with, else 1.
  public var guidance: Double?
  /// How much of the guided prediction takes the conditional one's deviation, 0 to 1.
  public var guidanceRescale: Double?
  /// A preset by name (`ddim-50`) or path, or `own`. nil: of a quantised model the sampler it was calibrated for, of a float
  /// model the settings of its scheduler's file, else `ddim-50`.
  public var sampler: String?
  /// The sampler's settings with another number of steps.
  public var steps: Int?
  /// nil: `integer` where activations are quantised, `winograd` where they are float.
  public var executor: Executor?

  public init(
    count: Int = 16, first: Int = 0, seed: UInt64 = 0, labels: [Int]? = nil, guidance: Double? = nil,
    guidanceRescale: Double? = nil, sampler: String? = nil, steps: Int? = nil, executor: Executor? = nil
  ) {
    self.count = count
    self.first = first
    self.seed = seed
    self.labels = labels
    self.guidance = guidance
    self.guidanceRescale = guidanceRescale
    self.sampler = sampler
    self.steps = steps
    self.executor = executor
  }

  /// The numbers of the images. - Throws: what is out of range, of all options.
  func checkedImages() throws -> ClosedRange<Int> {
    try ArgumentError.require(count, in: 1...IndexRange.limit, "count")
    try ArgumentError.require(first, in: 0...IndexRange.limit, "first")
    try ArgumentError.require(steps, in: ScheduleOptions.timestepRange, "steps")
    try ArgumentError.require(guidance, in: GuidanceOptions.scales, "guidance")
    try ArgumentError.require(guidanceRescale, in: 0...1, "guidanceRescale")
    if let labels, labels.isEmpty { throw ArgumentError(name: "labels", found: "empty", expected: "nil or a label") }
    return first...(first + count - 1)
  }

  var guidanceOptions: GuidanceOptions { GuidanceOptions(scale: guidance, rescale: guidanceRescale) }
  var executorKind: ExecutorKind? { executor.flatMap { ExecutorKind(rawValue: $0.rawValue) } }
}
