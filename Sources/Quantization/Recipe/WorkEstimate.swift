import Graphs
import Tensors

/// How long quantising by a recipe takes: what each stage computes, at the speed that a few calls of the float network had on
/// this machine.
///
/// Costs other than calls are counted in multiplications, at the rate of those calls. The ratios below were measured with the
/// CIFAR-10 U-Net of `Benchmarks/`; an estimate is meant to be right within a factor of two.
package struct WorkEstimate: Sendable, Equatable {
  package struct Stage: Sendable, Equatable {
    package let name: String
    package let seconds: Double
    package init(name: String, seconds: Double) {
      self.name = name
      self.seconds = seconds
    }
  }

  package let stages: [Stage]
  package var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }

  /// A call whose values are quantised or watched, over a plain one.
  package static let watchedCall = 1.2
  /// A forward pass that keeps its results and the backward pass, over a plain call.
  private static let gradientCall = 5.5
  /// Multiplications that trying one range of `RangeEstimator.searches` for a weight is worth, all candidates together.
  private static let rangeSearch = 30_000.0
  /// Calls of tiny networks spend their time on other things than multiplications, of which any processor makes as many.
  private static let slowestMultiplication = 1e-10
  /// Columns' second moments and their use run at half of the network's rate.
  private static let momentsRate = 0.5

  package init(stages: [Stage]) { self.stages = stages }

  /// - Parameters: stepCount: sampling steps; callSeconds: of one image through the float network; drawsSet: whether the
  ///   calibration set is made, too.
  package init(_ recipe: Recipe, graph: Graph, stepCount: Int, callSeconds call: Double, drawsSet: Bool) {
    let layers = GraphSummary(graph).contractions.filter { $0.weightCount > 0 && !$0.isTemporal }
    let multiplications = layers.reduce(0.0) { $0 + Double($1.multiplyAccumulates) }
    let perMultiplication = min(call / max(multiplications, 1), Self.slowestMultiplication)
    let weightCount = layers.reduce(0.0) { $0 + Double($1.weightCount) }
    let steps = Double(stepCount)
    let calibration = recipe.calibration
    let keptSteps = calibration.distribution.every.map { (stepCount + $0 - 1) / $0 } ?? 1
    let all = Double(calibration.trajectories) * Double(keptSteps)
    var stages: [Stage] = []
    func add(_ name: String, _ seconds: Double) {
      if seconds > 0 { stages.append(Stage(name: name, seconds: seconds)) }
    }
    func samples(_ perStep: Int) -> Double {
      min(Double(perStep) * steps, all)
    }

    if drawsSet {
      let calls =
        if case .fresh = recipe.calibration.distribution { (steps + 1) / 2 } else { 1.0 }
      add("drawing trajectories", Double(recipe.calibration.trajectories) * steps * calls * call)
    }
    if let weights = recipe.weights {
      let candidates = recipe.adaptiveRanges?.ranges.count ?? 1
      var rounding = weights.range.searches ? weightCount * Self.rangeSearch * perMultiplication : 0
      rounding *= Double(candidates)
      if case .gptq(let settings) = weights.rounding {
        rounding += samples(settings.samplesPerStep) * Self.watchedCall * call
        rounding += layers.reduce(0.0) { sum, layer in
          let (columns, positions) = layer.columnsAndPositions(in: graph)
          let moments = samples(settings.samplesPerStep) * columns * columns * positions
          let factor = columns * columns * columns + Double(layer.weightCount) * columns
          return sum + (moments + factor) / Self.momentsRate * perMultiplication
        }
      }
      add("rounding weights", rounding)
    }
    if let adaptive = recipe.adaptiveRanges {
      add(
        "choosing ranges",
        Double(2 * layers.count * adaptive.ranges.count * adaptive.samples) * Self.watchedCall * call)
    }
    if let mixed = recipe.mixedPrecision {
      let choices = mixed.weightBits.count + mixed.activationBits.count
      add("measuring widths", Double(layers.count * choices * mixed.samples) * Self.watchedCall * call)
    }
    if let reconstruction = recipe.reconstruction {
      let kept = 2 * samples(reconstruction.samplesPerStep) * Self.watchedCall * call
      func learn(_ iterations: Int, _ batch: Int) -> Double {
        kept + Double(iterations) * Double(batch) * Self.gradientCall * call
      }
      if let blocks = reconstruction.blocks { add("learning blocks", learn(blocks.iterations, blocks.batch)) }
      if let network = reconstruction.network { add("learning the network", learn(network.iterations, network.batch)) }
      if let values = reconstruction.activationSteps { add("learning steps", learn(values.iterations, values.batch)) }
    }
    if let activations = recipe.activations {
      let first = activations.upstream == .quantized ? samples(16) : 0
      add("collecting ranges", drawsSet && recipe.gathersRanges ? 0 : (first + all) * Self.watchedCall * call)
    }
    if let correction = recipe.correction {
      add("measuring the noise", 2 * samples(correction.samplesPerStep) * Self.watchedCall * call)
    }
    self.stages = stages
  }
}

extension GraphSummary.Contraction {
  /// A layer's inputs per output, and how often its weight is used.
  fileprivate func columnsAndPositions(in graph: Graph) -> (columns: Double, positions: Double) {
    let dims = graph.node(at: path).flatMap { graph.parameterDims(of: $0) } ?? [1]
    let columns = Double(dims.dropFirst().reduce(1, *))
    return (columns, Double(multiplyAccumulates) / Double(max(weightCount, 1)))
  }
}

/// A recipe fitted to a time.
package struct TimeBudget: Sendable {
  package let recipe: Recipe
  /// What was changed, `key: old -> new`; empty where all of it fits.
  package let changes: [String]
  package let estimate: WorkEstimate
  /// The share of the recipe's work that is left.
  package let share: Double

  private static let shares = 64

  /// The largest share of a recipe's work that is estimated to take no more than `seconds`; the smallest there is where none
  /// does.
  package init(_ recipe: Recipe, within seconds: Double, estimate: (Recipe) -> WorkEstimate) {
    var (low, high) = (0, Self.shares)
    while low < high {
      let middle = (low + high + 1) / 2
      let scaled = recipe.scaled(by: Double(middle) / Double(Self.shares)).recipe
      if estimate(scaled).seconds <= seconds { low = middle } else { high = middle - 1 }
    }
    share = Double(low) / Double(Self.shares)
    let scaled = recipe.scaled(by: share)
    self.recipe = scaled.recipe
    changes = scaled.changes
    self.estimate = estimate(scaled.recipe)
  }
}
