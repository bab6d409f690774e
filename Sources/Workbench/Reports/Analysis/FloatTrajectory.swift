import Diffusion
import Execution
import Graphs
import Quantization
import Synchronization
import Tensors

/// A few images' way through the float network: the calls at some of the steps, and the smallest and largest value at every
/// site at all of them.
struct FloatTrajectory {
  let steps: [Step]
  /// Positions of the steps whose calls are kept, ascending.
  let kept: [Int]
  let inputs: [NetworkInput]
  /// By step, then site.
  let extremes: [[Site: ValueRange]]

  /// - Parameters: images: how many; count: of the steps that are kept, evenly spread.
  /// - Throws: `Stopped` after a stop signal.
  init(
    of source: ModelSource, sampler: any Sampler, guidance: GuidanceSetting?, images: Int, keeping count: Int,
    compute: Compute, reporter: WorkReporter
  ) throws {
    let seen = Mutex<[Site: ValueRange]>([:])
    @Sendable func widen(_ site: Site, _ range: ValueRange?) {
      guard let range else { return }
      seen.withLock { $0[site] = $0[site].map { $0.union(range) } ?? range }
    }
    let sites = Set(source.model.graph.sites.filter { $0.role != .weight && $0.role != .output })
    let observer = SiteObserver(
      watching: { sites.contains($0) },
      extremes: { site, extremes in
        guard extremes.isFinite, let low = extremes.lower.min(), let high = extremes.upper.max() else { return }
        widen(site, ValueRange(lower: Double(low), upper: Double(high)))
      }, orValues: { site, value in widen(site, ValueRange(of: value.values)) })
    let numbers = Array(0..<images)
    let conditioning = try ImageConditioning(labels: nil, form: source.conditioning)(numbers)
    var loop = try SamplingLoop(
      denoiser: source.denoiser(guidance: guidance, compute: compute, observer: observer),
      schedule: source.process.schedule, sampler: sampler, images: numbers, conditioning: conditioning,
      noise: NoiseSource(seed: 0, stream: .sample))
    steps = loop.steps
    kept = Self.spread(count, over: steps.count)
    let taken = source.embedder.map { conditioning.map($0.embedded) } ?? conditioning
    var (inputs, extremes) = ([NetworkInput](), [[Site: ValueRange]]())
    while let state = try loop.next() {
      if kept.contains(state.step.index) {
        inputs.append(NetworkInput(x: state.x, at: state.step, conditioning: taken))
      }
      extremes.append(
        seen.withLock { found in
          defer { found = [:] }
          return found
        })
      try reporter.report(
        WorkProgress(stage: "drawing the float trajectory", unit: "steps", done: loop.completed, total: steps.count))
    }
    (self.inputs, self.extremes) = (inputs, extremes)
  }

  /// The middles of `count` stretches of equal length; every step where there are fewer.
  static func spread(_ count: Int, over steps: Int) -> [Int] {
    let count = min(count, steps)
    return (0..<count).map { (2 * $0 + 1) * steps / (2 * count) }
  }
}
