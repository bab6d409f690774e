import Diffusion
import Graphs
import Tensors

/// One call's operands. `timesteps` has one entry per image; per-step tables are looked up by `stepIndex`, one per call.
package struct NetworkInput: Sendable {
  package var x: Tensor
  package var timesteps: [Timestep]
  package var labels: [Int]?
  /// Position in the sampler's execution order; nil outside sampling (allowed only when nothing depends on the step).
  package var stepIndex: Int?

  package init(x: Tensor, timesteps: [Timestep], labels: [Int]? = nil, stepIndex: Int? = nil) {
    self.x = x
    self.timesteps = timesteps
    self.labels = labels
    self.stepIndex = stepIndex
  }

  /// A call of a network that reads no timestep: a classifier.
  package init(images x: Tensor) {
    self.init(x: x, timesteps: [Timestep](repeating: Timestep(0), count: x.dims.first ?? 0))
  }
}

/// Runs a graph. Implementations: reference (the definition), float, integer.
package protocol Executor: Sendable {
  /// - Returns: the graph's output with the batch axis in front.
  func run(_ input: NetworkInput) throws -> Tensor
}

/// Receives the value at each observed site during a run: batch axis first, dims as in the graph. Called in execution
/// order, serially. Temporal sites are reported with one row per distinct (timestep, label).
package typealias SiteObserver = @Sendable (Site, Tensor) -> Void

/// A call that does not fit the network.
package enum ExecutionError: HalftoneError, Equatable {
  case shape(expected: [Int], found: [Int])
  case outputShape(expected: [Int], found: [Int])
  case count(what: String, expected: Int, found: Int)
  case labelsMissing(classCount: Int)
  case labelsUnexpected
  case labelOutOfRange(label: Int, classCount: Int)
  case timestep(value: Double, reason: String)
  case stepMissing(site: String)
  case stepOutOfRange(index: Int, count: Int)
  case unsupported(site: String, reason: String)
  case table(problems: [String])

  package var id: String { "E-EXECUTE" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String {
    switch self {
    case .shape(let expected, let found): "x has shape \(found), the network takes N + \(expected)"
    case .outputShape(let expected, let found):
      "the network's output has shape \(found), a sampler needs \(expected)"
    case .count(let what, let expected, let found): "\(found) \(what) for \(expected) images"
    case .labelsMissing(let count): "the network is class-conditional (\(count) classes) and no labels were given"
    case .labelsUnexpected: "labels were given, but the network is unconditional"
    case .labelOutOfRange(let label, let count): "label \(label) is outside 0..<\(count)"
    case .timestep(let value, let reason): "timestep \(value) \(reason)"
    case .stepMissing(let site): "\(site) has one quantiser per sampling step, but the call names no step"
    case .stepOutOfRange(let index, let count): "sampling step \(index), but the tables hold \(count) steps"
    case .unsupported(let site, let reason): "\(site): \(reason)"
    case .table(let problems): "the quantiser table does not fit the network:\n  " + problems.joined(separator: "\n  ")
    }
  }
}

extension Graph {
  /// Throws unless the call fits: shapes, counts, timesteps and labels.
  package func check(_ input: NetworkInput) throws(ExecutionError) {
    let batch = input.x.dims.first ?? 0
    guard input.x.dims.count == 4, Array(input.x.dims.dropFirst()) == imageShape.dims else {
      throw .shape(expected: imageShape.dims, found: input.x.dims)
    }
    guard input.timesteps.count == batch else {
      throw .count(what: "timesteps", expected: batch, found: input.timesteps.count)
    }
    for timestep in input.timesteps { try check(timestep) }
    guard let classCount else {
      if input.labels != nil { throw .labelsUnexpected }
      return
    }
    guard let labels = input.labels else { throw .labelsMissing(classCount: classCount) }
    guard labels.count == batch else { throw .count(what: "labels", expected: batch, found: labels.count) }
    if let bad = labels.first(where: { !(0..<classCount).contains($0) }) {
      throw .labelOutOfRange(label: bad, classCount: classCount)
    }
  }

  /// Throws where an operation that reads the timestep is undefined.
  private func check(_ timestep: Timestep) throws(ExecutionError) {
    let value = timestep.value
    guard value.isFinite else { throw .timestep(value: value, reason: "is not finite") }
    for node in nodes where node.inputs.contains(where: { nodes[$0].op == .timestep }) {
      switch node.op {
      case .fourierEmbedding, .divideByTimestep:
        guard value > 0 else {
          throw .timestep(value: value, reason: "is not positive, and the network takes its logarithm")
        }
      case .embedding:
        let rows = parameterDims(of: node)?[0] ?? 0
        guard let row = Int(exactly: value), (0..<rows).contains(row) else {
          throw .timestep(value: value, reason: "is not a row of the learned time embedding: 0..<\(rows)")
        }
      case .image, .timestep, .label, .sinusoidalEmbedding, .conv2d, .linear, .attentionScores, .attentionValues,
        .groupNorm, .activation, .softmax, .add, .addPerChannel, .scaleShift, .affine, .concatenate, .upsampleNearest,
        .averagePool, .pool, .toTokens, .fromTokens, .globalAveragePool:
        continue
      }
    }
  }
}
