import Diffusion
import Execution
import Graphs
import Tensors

/// Times what reconstruction does with a float network: the gradient executor's forward pass, which holds what is read on
/// the way back, and its backward pass, with the gradients of all weights and of what images pass through; beside them the
/// forward pass of the float executor without transformed tiles. In turns, medians over rounds.
package struct GradientBenchmark {
  package let source: ModelSource
  package let rounds: Int

  package init(source: ModelSource, rounds: Int) {
    self.source = source
    self.rounds = rounds
  }

  /// Medians, milliseconds per image.
  package struct Row: Sendable {
    package let threads: Int
    package let batch: Int
    package let float: Double
    package let forward: Double
    package let backward: Double

    /// The backward pass multiplies twice as often as the forward pass: its multiplications per second, as a share of the
    /// float executor's.
    package var rate: Double { 2 * float / backward }
  }

  package func run(threads: [Int], batches: [Int], session: Session) throws -> [Row] {
    let progress = Progress(
      "timing gradients", unit: "rounds", total: threads.count * batches.count * rounds, console: session.console)
    var rows: [Row] = []
    for count in threads {
      let compute = try Compute(threads: count, batch: 1)
      let float = try BenchmarkVariant.Runner(
        try BenchmarkVariant(name: "float", source: source, executor: .float), pool: compute.pool)
      for batch in batches {
        let graph = source.model.graph
        let segment = graph.wholeSegment
        let gradients = try GradientExecutor(
          source.model, segment: segment, targets: GradientTargets(everythingIn: segment, of: graph), batch: batch,
          pool: compute.pool, kernels: compute.kernels)
        let weights = UnchangedWeights(of: gradients, model: source.model)
        gradients.learned = weights
        let call = try float.call(batch: batch)
        var times: [[Double]] = [[], [], []]
        // Round 0 warms caches and is not counted.
        for round in 0...rounds {
          if let signal = try session.stopSignal() {
            throw Stopped(signal: signal, progress: "no timings", command: session.command)
          }
          let seconds = try [
            float.seconds(call), Self.seconds { _ = try gradients.run(call) },
            Self.seconds {
              let output = gradients.cotangent(graph.output)
              output.update(repeating: 1, count: batch * gradients.elementCount(graph.output))
              gradients.backward()
            },
          ]
          if round > 0 { for (index, value) in seconds.enumerated() { times[index].append(value) } }
          progress.update(Double(rows.count * rounds + round))
        }
        withExtendedLifetime(weights) {}
        let medians = times.map { InterleavedTiming.median($0) * 1000 / Double(batch) }
        rows.append(
          Row(threads: count, batch: batch, float: medians[0], forward: medians[1], backward: medians[2]))
      }
    }
    progress.finish(Double(threads.count * batches.count * rounds))
    return rows
  }

  private static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let began = clock.now
    try body()
    return (clock.now - began) / .seconds(1)
  }

  package static func table(of rows: [Row]) -> Table {
    var table = Table([
      ("threads", .right), ("batch", .right), ("float, ms per image", .right), ("forward", .right),
      ("backward", .right), ("rate of backward to float", .right),
    ])
    for row in rows {
      table.add([
        "\(row.threads)", "\(row.batch)", fixed(row.float, 2), fixed(row.forward, 2), fixed(row.backward, 2),
        fixed(row.rate, 2),
      ])
    }
    return table
  }

  package static func value(of rows: [Row]) -> ConfigurationValue {
    .list(
      rows.map { row in
        [
          "threads": .integer(row.threads), "batch": .integer(row.batch),
          "float_milliseconds_per_image": .number(row.float), "forward_milliseconds_per_image": .number(row.forward),
          "backward_milliseconds_per_image": .number(row.backward), "rate": .number(row.rate),
        ]
      })
  }
}

/// Weights as reconstruction has them at hand, that nothing is learned of.
private final class UnchangedWeights: LearnedWeights {
  private let values: [Int: [Float]]

  init(of executor: GradientExecutor, model: Model) {
    values = executor.layers.compactMapValues { layer in
      model.parameters[layer.weightName].map { layer.order.toLayer($0.values) }
    }
  }

  func write(_ node: Int, to target: UnsafeMutablePointer<Float>) {
    values[node]?.withUnsafeBufferPointer {
      if let base = $0.baseAddress { target.update(from: base, count: $0.count) }
    }
  }

  func take(_ gradient: UnsafeMutablePointer<Float>, of node: Int) {}
}
