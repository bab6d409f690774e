import Execution
import Graphs
import Synchronization
import Tensors

/// Ranges gathered while a calibration set is drawn, for recipes whose ranges are collected on the float network: the calls that
/// draw a trajectory are those that a pass over its states would make, so that no pass is needed. The ranges have a pass's bits.
package final class TrajectoryRanges: Sendable {
  private struct State {
    /// Which collector listens; nil while states are drawn that the set does not keep.
    var row: Int?
    var isComplete = false
    var rows: [[Site: [ValueRange]]] = []
  }

  private let recipe: Recipe
  private let graph: Graph
  private let forms: [Site: SiteForm]
  /// A collector for each row of the tables.
  private let collectors: [RangeCollector]
  private let state = Mutex(State())

  /// - Returns: nil where ranges cannot be gathered (`Recipe.gathersRanges`).
  /// - Throws: `E-RECIPE-PATTERN` as the quantisation itself would.
  package init?(_ recipe: Recipe, graph: Graph, stepCount: Int) throws(QuantizationError) {
    guard let activations = recipe.activations, recipe.gathersRanges else { return nil }
    let selected = try recipe.selection(in: graph).activations
    let known = Set(graph.probabilityQuantizers(of: selected, activations.probabilities).keys)
    let forms = recipe.forms(of: selected.filter { !known.contains($0) }, in: graph)
    let rows = recipe.activationTables == .all ? (stepCount + recipe.tableInterval - 1) / recipe.tableInterval : 1
    self.recipe = recipe
    self.graph = graph
    self.forms = forms
    collectors = (0..<rows).map { _ in RangeCollector(forms: forms, estimator: activations.range, decay: nil) }
  }

  /// Watches the network that draws.
  package var observer: SiteObserver {
    SiteObserver(watching: { self.forms[$0] != nil }) { site, extremes in
      self.listening?.observe(site, extremes)
    } orValues: { site, value in
      self.listening?.observe(site, value)
    }
  }

  private var listening: RangeCollector? { state.withLock { $0.row.map { collectors[$0] } } }

  /// Runs the network call on states that the set keeps for a step.
  func watching<R>(step: Int, _ body: () throws -> R) throws -> R {
    let row = collectors.count == 1 ? 0 : step / recipe.tableInterval
    state.withLock { $0.row = row }
    defer { state.withLock { $0.row = nil } }
    let result = try body()
    let broken = collectors[row].broken
    if !broken.isEmpty {
      throw QuantizationError.nonFiniteActivations(
        step: step, work: RangeCollector.work, sites: broken.map(\.description))
    }
    return result
  }

  /// After the last trajectory: from now on the ranges may be used.
  func finish() {
    for collector in collectors { collector.endBatch() }
    let rows = collectors.map { $0.take() }
    state.withLock {
      $0.rows = rows
      $0.isComplete = rows.allSatisfy { $0.count == forms.count }
    }
  }

  /// Whether these are the ranges that a pass of this recipe would find.
  func serves(_ other: Recipe) -> Bool { state.withLock(\.isComplete) && recipe == other }

  /// - Parameter sites: watched ones.
  func quantizers(_ key: ActivationQuantizers.Key, of sites: [Site]) -> [Site: ActivationQuantizers] {
    forms.quantizers(key, of: sites, state.withLock(\.rows), in: graph)
  }
}

extension Recipe {
  /// Whether the activations' ranges are extremes over shared trajectories' states with nothing but the float network upstream,
  /// and need no scale that is found on the set first, so that they can be gathered while the set is drawn.
  var gathersRanges: Bool {
    guard let activations, case .uniform = calibration.distribution else { return false }
    return activations.upstream == .float && !activations.range.searches && activations.average == nil
      && adaptiveRanges == nil && smoothing == nil && mixedPrecision == nil && branches == .shared
  }
}
