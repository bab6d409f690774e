import Execution
import Graphs
import Tensors

/// Makes the executor that calibration passes run on: the model, what to simulate, who watches.
package typealias ExecutorFactory =
  @Sendable (Model, QuantizationTable, SiteObserver?) throws -> any Executor

/// Everything that a quantisation method works with.
package struct QuantizationTask: Sendable {
  package let model: Model
  /// Changed only by stages that try variants of it.
  package internal(set) var recipe: Recipe
  package let set: any CalibrationSource
  package let makeExecutor: ExecutorFactory
  /// Threads for work that is independent per layer; results do not depend on their number.
  package let pool: WorkerPool
  package let progress: ProgressHandler
  /// Where finished regions of a reconstruction are remembered; nil: nowhere.
  package let journal: (any ReconstructionJournal)?
  /// What was gathered while the calibration set was drawn; nil where it was there already, or nothing could be.
  let gathered: TrajectoryRanges?
  /// Told what a user should know of what was done otherwise than a recipe's words suggest.
  let note: @Sendable (String) -> Void
  /// The sites the recipe quantises.
  let selection: SiteSelection
  /// Where values of a reconstruction lie that exceed the recipe's bound; nil: they are refused.
  let folder: String?

  /// - Throws: when a pattern of the recipe matches nothing, or the set cannot feed the tables that the recipe asks for: before any
  ///   long work.
  package init(
    model: Model, recipe: Recipe, set: any CalibrationSource, makeExecutor: @escaping ExecutorFactory, pool: WorkerPool,
    progress: @escaping ProgressHandler, journal: (any ReconstructionJournal)? = nil, folder: String? = nil,
    gathered: TrajectoryRanges? = nil,
    note: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(QuantizationError) {
    self.journal = journal
    self.folder = folder
    self.note = note
    self.gathered = gathered
    self.model = model
    self.recipe = recipe
    self.set = set
    self.makeExecutor = makeExecutor
    self.pool = pool
    self.progress = progress
    selection = try recipe.selection(in: model.graph)
    if recipe.mixedPrecision != nil { _ = try precisionSearch() }
    if selection.activations.isEmpty { return }
    let needed = recipe.activations?.average?.batch ?? 1
    if recipe.activationTables == .all {
      let small = set.counts.indices.filter { set.counts[$0] < needed }
      if !small.isEmpty { throw .stepTooSmall(steps: small, needed: needed) }
    }
    let total = set.counts.reduce(0, +)
    if total < needed { throw .setTooSmall(needed: needed, found: total) }
  }
}
