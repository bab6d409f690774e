import Diffusion
import Execution
import Graphs
import Quantization
import Tensors

/// Says how long quantising will take, and fits a recipe to a time (`quantize --time`).
struct TimePlanning {
  private let source: ModelSource
  let stepCount: Int
  private let drawsSet: Bool
  /// Of one image through the float network.
  let callSeconds: Double

  /// Estimates below this are not worth a line.
  private static let shortest = 30.0
  /// Images of the calls that are timed, the first of which only warms up.
  private static let images = 2
  /// The fastest of so many calls counts, as far as they fit into so many seconds: the first ones touch new memory.
  private static let (timedCalls, timingSeconds) = (5, 0.5)

  /// Times a few calls of the float network.
  /// - Parameter drawsSet: whether the calibration set has to be drawn, too.
  init(_ source: ModelSource, stepCount: Int, drawsSet: Bool, compute: Compute) throws {
    self.source = source
    self.stepCount = stepCount
    self.drawsSet = drawsSet
    let graph = source.model.graph
    let executor = try source.executor(compute: compute)
    let form = graph.conditioning
    let images = max(Self.images, compute.pool.threads)
    let input = NetworkInput(
      x: NoiseSource(seed: 0, stream: .recipe).normals(
        images: Array(0..<images), shape: graph.imageShape, draw: .initial),
      timesteps: .init(repeating: Timestep(0), count: images),
      conditioning: form == .unconditional ? [] : .init(repeating: form.example(), count: images))
    let clock = ContinuousClock()
    _ = try executor.run(input)
    let first = clock.now
    var fastest = Double.infinity
    for _ in 0..<Self.timedCalls where fastest.isInfinite || (clock.now - first) / .seconds(1) < Self.timingSeconds {
      let began = clock.now
      _ = try executor.run(input)
      fastest = min(fastest, (clock.now - began) / .seconds(1))
    }
    callSeconds = fastest / Double(images)
  }

  func estimate(_ recipe: Recipe) -> WorkEstimate {
    WorkEstimate(
      recipe, graph: source.model.graph, stepCount: stepCount, callSeconds: callSeconds, drawsSet: drawsSet)
  }

  /// The recipe with as much of its work as fits, and a note of what changed and what that costs.
  func fitted(_ prepared: PreparedRecipe, to time: WorkTime, console: Console) -> PreparedRecipe {
    let budget = TimeBudget(prepared.recipe, within: Double(time.seconds), estimate: estimate)
    if budget.changes.isEmpty { return prepared }
    var text = "time \(time): \(fixed(100 * budget.share, 0)) % of the recipe's work\n  "
    text += budget.changes.joined(separator: "\n  ")
    if prepared.recipe.reconstruction?.network != nil {
      text += "\n  with the embedded model, that share costs \(fixed(QualityCurve.loss(share: budget.share), 1)) dB of"
      text += " epsilon SNR (docs/recipes.md)"
    }
    console.note(text)
    if budget.estimate.seconds > Double(time.seconds) {
      console.note(
        "note: less than this the stages cannot do; expect \(Progress.shown(seconds: budget.estimate.seconds))")
    }
    return prepared.replacing(budget.recipe, name: "\(prepared.name)-\(time)")
  }

  /// What is expected, where it is long enough to matter.
  func announce(_ recipe: Recipe, setBytes: Int, console: Console) {
    let estimate = estimate(recipe)
    guard estimate.seconds >= Self.shortest else { return }
    console.note(
      Self.announcement(of: estimate)
        + (drawsSet ? "; the calibration set takes \(shown(bytes: setBytes)) of disk" : ""))
  }

  /// What an estimate says of a piece of work and its stages.
  static func announcement(of estimate: WorkEstimate) -> String {
    let stages = estimate.stages.map { "\($0.name) \(Progress.shown(seconds: $0.seconds))" }
    return "expected: \(Progress.shown(seconds: estimate.seconds)) on \(Machine.current.processor)"
      + " (\(stages.joined(separator: ", ")))"
  }
}

/// What less work costs a recipe that learns on the network's output: `halftone-w4a8` on the embedded model, mean epsilon SNR over
/// 50 DDIM steps (docs/recipes.md).
enum QualityCurve {
  /// By share of trajectories, samples and iterations, ascending.
  private static let losses: [(share: Double, decibels: Double)] = [(0.125, 2.1), (0.25, 1.4), (0.5, 1.1), (1, 0)]

  /// Linear between the measured shares; below the first as there.
  static func loss(share: Double) -> Double {
    guard let above = losses.firstIndex(where: { $0.share >= share }) else { return 0 }
    guard above > 0 else { return losses[0].decibels }
    let (low, high) = (losses[above - 1], losses[above])
    let part = (share - low.share) / (high.share - low.share)
    return low.decibels + part * (high.decibels - low.decibels)
  }
}
