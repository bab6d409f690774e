import Execution
import Graphs
import Tensors

/// How far a network's output is from the float network's, on common samples, so that their noise cancels between
/// networks that are compared.
package struct OutputError: Sendable {
  private let inputs: [NetworkInput]
  private let expected: [Tensor]
  private let makeExecutor: ExecutorFactory

  /// - Parameter count: samples, spread evenly over the steps that have any.
  init(_ task: QuantizationTask, samples count: Int) throws {
    try self.init(
      of: task.model, on: task.spreadSamples(count).map(task.set.input), makeExecutor: task.makeExecutor)
  }

  /// - Parameters: float: the network that others are compared with; inputs: its calls.
  package init(of float: Model, on inputs: [NetworkInput], makeExecutor: @escaping ExecutorFactory) throws {
    self.makeExecutor = makeExecutor
    self.inputs = inputs
    expected = try inputs.map(makeExecutor(float, QuantizationTable(), nil).run)
  }

  /// Mean squared deviation.
  func callAsFunction(_ network: QuantizedNetwork) throws -> Double {
    let executor = try makeExecutor(network.model, network.table, nil)
    var (sum, count) = (0.0, 0)
    for (input, expected) in zip(inputs, expected) {
      let found = try executor.run(input)
      Self.addDeviation(of: found, from: expected, to: &sum)
      count += found.count
    }
    return sum / Double(count)
  }

  /// The deviation's energy over that of the float network's output, one for each call; 0 where that is zero.
  package func relativeErrors(_ network: QuantizedNetwork) throws -> [Double] {
    let executor = try makeExecutor(network.model, network.table, nil)
    return try zip(inputs, expected).map { input, expected in
      Self.relativeError(of: try executor.run(input), from: expected)
    }
  }

  /// sum (b - a)^2 / sum a^2; 0 where the expected values are all zero. - Precondition: of equal shapes.
  package static func relativeError(of found: Tensor, from expected: Tensor) -> Double {
    var deviation = 0.0
    addDeviation(of: found, from: expected, to: &deviation)
    let energy = expected.values.reduce(0.0) { $0 + Double($1) * Double($1) }
    return energy > 0 ? deviation / energy : 0
  }

  private static func addDeviation(of found: Tensor, from expected: Tensor, to sum: inout Double) {
    for (a, b) in zip(found.values, expected.values) { sum += (Double(a) - Double(b)) * (Double(a) - Double(b)) }
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
