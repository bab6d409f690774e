import Formats
import Tensors

/// Times networks one round at a time, when another program asks: so that a comparison with other engines can take turns
/// with them in one run.
///
/// Each line of standard input, `THREADS BATCH`, is answered by one line of JSON: seconds per image by variant, and the
/// rates of the probes around them.
package final class DrivenBenchmark {
  private struct Bench {
    let threads: Int
    let runners: [BenchmarkVariant.Runner]
    let probe: PeakProbe
  }

  private let variants: [BenchmarkVariant]
  /// Of the last number of threads: packed weights of large networks have no room twice.
  private var bench: Bench?

  package init(variants: [BenchmarkVariant]) { self.variants = variants }

  /// - Returns: when standard input ends.
  package func serve(_ session: Session) throws {
    while let line = readLine() {
      let parts = line.split(separator: " ").map { Int($0) }
      guard parts.count == 2, let threads = parts[0], let batch = parts[1], (1...1024).contains(threads),
        (1...4096).contains(batch)
      else { throw DrivenBenchmarkError(line: line) }
      try session.console.result(JSONWriter.compact(try round(threads: threads, batch: batch)))
    }
  }

  private func round(threads: Int, batch: Int) throws -> ConfigurationValue {
    let bench = try prepared(threads: threads)
    var entries: [ConfigurationValue.Entry] = []
    for (variant, runner) in zip(variants, bench.runners) {
      let call = try runner.call(batch: batch)
      let before = bench.probe.rate()
      let seconds = try runner.seconds(call)
      let after = bench.probe.rate()
      entries.append(
        .init(variant.name, ["seconds": .number(seconds / Double(batch)), "probe": .number(min(before, after))]))
    }
    return .map(entries)
  }

  private func prepared(threads: Int) throws -> Bench {
    if let bench, bench.threads == threads { return bench }
    bench = nil
    let compute = try Compute(threads: threads, batch: 1)
    let made = Bench(
      threads: threads, runners: try variants.map { try BenchmarkVariant.Runner($0, pool: compute.pool) },
      probe: try PeakProbe(integer: variants.contains(where: \.isInteger), pool: compute.pool, kernels: compute.kernels)
    )
    bench = made
    return made
  }
}

/// A line that asks for no round.
package struct DrivenBenchmarkError: HalftoneError, Equatable {
  package let line: String
  package var id: String { "E-BENCH-LINE" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String { "standard input: \"\(printable(line))\", expected THREADS BATCH" }
  package var hint: String? { nil }
}
