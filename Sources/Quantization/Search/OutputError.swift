import Execution
import Graphs
import Tensors

/// How far a network's output is from the float network's, on common samples, so that their noise cancels between
/// networks that are compared.
struct OutputError {
  private let inputs: [NetworkInput]
  private let expected: [Tensor]
  private let makeExecutor: ExecutorFactory

  /// - Parameter count: samples, spread evenly over the steps that have any.
  init(_ task: QuantizationTask, samples count: Int) throws {
    makeExecutor = task.makeExecutor
    inputs = try task.spreadSamples(count).map(task.set.input)
    let float = try makeExecutor(task.model, QuantizationTable(), nil)
    expected = try inputs.map(float.run)
  }

  /// Mean squared deviation.
  func callAsFunction(_ network: QuantizedNetwork) throws -> Double {
    let executor = try makeExecutor(network.model, network.table, nil)
    var (sum, count) = (0.0, 0)
    for (input, expected) in zip(inputs, expected) {
      let found = try executor.run(input)
      for (a, b) in zip(found.values, expected.values) { sum += (Double(a) - Double(b)) * (Double(a) - Double(b)) }
      count += found.count
    }
    return sum / Double(count)
  }
}

extension QuantizationTask {
  /// `count` samples, evenly spread over the steps that have any.
  fileprivate func spreadSamples(_ count: Int) -> [SampleSlice] {
    let steps = set.counts.indices.filter { set.counts[$0] > 0 }
    return (0..<count).map { index in
      let step = steps[index * steps.count / count % steps.count]
      let first = index % set.counts[step]
      return SampleSlice(step: step, range: first..<(first + 1))
    }
  }
}
