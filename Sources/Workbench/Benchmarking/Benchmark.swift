import Execution
import Graphs
import Tensors

/// Times networks side by side. In every round each variant runs once, between two probes of the machine's peak rate, so
/// that a slow moment meets all variants alike and shows: a measurement counts when both of its probes reached a set share
/// of the best rate seen.
package struct Benchmark {
  package let variants: [BenchmarkVariant]
  package let rounds: Int

  package init(variants: [BenchmarkVariant], rounds: Int) {
    self.variants = variants
    self.rounds = rounds
  }

  /// Probes at or above this share of the best are undisturbed.
  private static let cleanShare = 0.85
  /// With fewer undisturbed rounds than this, all rounds count and the row says so.
  private static let fewestClean = 3

  /// One variant at one number of threads and images.
  package struct Row: Sendable {
    package let variant: String
    package let executor: ExecutorKind
    package let isQuantized: Bool
    package let instructionSet: InstructionSet
    package let threads: Int
    package let batch: Int
    /// Medians and extremes over the rounds that count, per image.
    package let milliseconds: Double
    package let fastest: Double
    package let slowest: Double
    /// Undisturbed rounds.
    package let cleanRounds: Int
    package let isDisturbed: Bool
    package let multiplyAccumulates: Int
    /// Multiply-accumulates per second of the best probe of this arithmetic and thread count.
    package let peakRate: Double
    /// Of the weights in memory, packed for the kernels.
    package let weightBytes: Int
    /// Working memory of the images in flight.
    package let arenaBytes: Int
    /// Where the time goes; empty unless asked for.
    package let work: [ExecutionProfile.Entry]

    /// Two operations per multiply-accumulate.
    package var gigaOperations: Double { 2 * Double(multiplyAccumulates) / milliseconds / 1e6 }
    package var shareOfPeak: Double { gigaOperations * 1e9 / (2 * peakRate) }
  }

  /// - Parameter profiles: whether one more call per row is made for the breakdown by kind of work.
  package func run(
    threads: [Int], batches: [Int], profiles: Bool, session: Session
  ) throws -> [Row] {
    let progress = Progress(
      "timing", unit: "calls", total: threads.count * batches.count * rounds * variants.count, console: session.console)
    var rows: [Row] = []
    for count in threads {
      let pool = WorkerPool(threads: count)
      let runners = try variants.map { try BenchmarkVariant.Runner($0, pool: pool) }
      let probes = try Probes(variants, pool: pool)
      // By kind of probe: the best rate seen at this number of threads.
      var best = probes.rates()
      var found: [[Measurement]] = .init(repeating: [], count: batches.count * variants.count)
      for (position, batch) in batches.enumerated() {
        let calls = try runners.map { try $0.call(batch: batch) }
        // Round 0 warms caches and is not counted.
        for round in 0...rounds {
          for (index, variant) in variants.enumerated() {
            if let signal = try session.stopSignal() {
              throw Stopped(signal: signal, progress: "no timings", command: session.command)
            }
            let kind = ProbeKind(variant)
            let before = probes.rate(kind)
            let seconds = try runners[index].seconds(calls[index])
            let slower = min(before, probes.rate(kind))
            best[kind] = max(best[kind] ?? 0, slower)
            if round == 0 { continue }
            found[position * variants.count + index].append(Measurement(seconds: seconds, probe: slower))
            progress.update(Double(rows.count * rounds + position * variants.count * rounds + round * variants.count))
          }
        }
      }
      for (position, batch) in batches.enumerated() {
        for (index, variant) in variants.enumerated() {
          let measurements = found[position * variants.count + index]
          rows.append(
            try row(
              variant, runners[index], pool, batch, measurements, peak: best[ProbeKind(variant)] ?? 0,
              profiles: profiles))
        }
      }
    }
    progress.finish(Double(threads.count * batches.count * rounds * variants.count))
    return rows
  }

  private struct Measurement {
    let seconds: Double
    let probe: Double
  }

  private func row(
    _ variant: BenchmarkVariant, _ runner: BenchmarkVariant.Runner, _ pool: WorkerPool, _ batch: Int,
    _ measurements: [Measurement], peak: Double, profiles: Bool
  ) throws -> Row {
    let clean = measurements.filter { $0.probe >= Self.cleanShare * peak }
    let isDisturbed = clean.count < Self.fewestClean
    let times = (isDisturbed ? measurements : clean).map { $0.seconds * 1000 / Double(batch) }
    var work: [ExecutionProfile.Entry] = []
    if profiles {
      let profile = ExecutionProfile()
      let profiled = try BenchmarkVariant.Runner(variant, pool: pool, profile: profile)
      _ = try profiled.executor.run(try profiled.call(batch: batch))
      work = profile.byTime
    }
    let threads = pool.threads
    return Row(
      variant: variant.name, executor: variant.executor, isQuantized: variant.isQuantized,
      instructionSet: variant.kernels.instructionSet, threads: threads, batch: batch,
      milliseconds: InterleavedTiming.median(times), fastest: times.min() ?? 0, slowest: times.max() ?? 0,
      cleanRounds: clean.count, isDisturbed: isDisturbed,
      multiplyAccumulates: GraphSummary(variant.model.graph).multiplyAccumulates, peakRate: peak,
      weightBytes: runner.weightBytes,
      arenaBytes: runner.workingBytes(batch), work: work)
  }
}

/// What a probe of the peak rate depends on.
private struct ProbeKind: Hashable {
  let set: InstructionSet
  let isInteger: Bool

  init(_ variant: BenchmarkVariant) {
    set = variant.kernels.instructionSet
    isInteger = variant.isInteger
  }
}

/// Probes for all variants, at one number of threads.
private struct Probes {
  private var probes: [ProbeKind: PeakProbe] = [:]

  init(_ variants: [BenchmarkVariant], pool: WorkerPool) throws {
    for variant in variants where probes[ProbeKind(variant)] == nil {
      probes[ProbeKind(variant)] = try PeakProbe(integer: variant.isInteger, pool: pool, kernels: variant.kernels)
    }
  }

  func rate(_ kind: ProbeKind) -> Double { probes[kind]?.rate() ?? 0 }
  func rates() -> [ProbeKind: Double] { probes.mapValues { $0.rate() } }
}
