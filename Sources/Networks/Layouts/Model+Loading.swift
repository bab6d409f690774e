import Graphs
import Tensors

extension Model {
  /// The graph with the weights of a checkpoint, strictly: every parameter present in the right shape, as F32, F16 or
  /// BF16, every value finite, and nothing left over.
  /// - Parameters: file: what messages call the archive; layouts: ways of naming, of which the one that knows most of
  ///   the archive is taken.
  /// - Throws: `WeightsError` with every missing, unexpected, mismatched and non-finite tensor.
  package static func load(
    graph: Graph, archive: TensorArchive, file: String = "weights",
    layouts: [any WeightLayout] = WeightLayoutCatalog.layouts
  ) throws(WeightsError) -> Model {
    let assignments = layouts.map { Assignment(graph: graph, archive: archive, layout: $0) }
    guard let best = assignments.min(by: { $0.missing.count < $1.missing.count }) else {
      preconditionFailure("no weight layouts")
    }
    var problems = best.missing.map { WeightsError.Problem.missing(name: $0.name, dims: $0.dims) }
    problems += best.unexpected.map { .unexpected(name: $0, dims: archive.tensors[$0]?.dims ?? []) }
    var parameters: [String: Tensor] = [:]
    for (parameter, name) in best.found {
      guard let stored = archive.tensors[name] else { continue }
      guard fits(stored.dims, parameter.dims) else {
        problems.append(.shape(name: name, expected: parameter.dims, found: stored.dims))
        continue
      }
      guard let tensor = stored.floats() else {
        problems.append(.elementType(name: name, found: stored.type))
        continue
      }
      if let position = tensor.values.firstIndex(where: { !$0.isFinite }) {
        let count = tensor.values.count { !$0.isFinite }
        problems.append(.notFinite(name: name, value: tensor.values[position], position: position, count: count))
      }
      parameters[parameter.name] = tensor.reshaped(parameter.dims)
    }
    if !problems.isEmpty { throw WeightsError(file: file, problems: problems) }
    return Model(graph: graph, parameters: parameters)
  }

  /// Linear weights may be stored as 1x1 convolutions.
  private static func fits(_ stored: [Int], _ expected: [Int]) -> Bool {
    stored == expected || (expected.count == 2 && stored == expected + [1, 1])
  }

  /// Which tensor of the archive is which parameter, under one layout.
  private struct Assignment {
    var found: [(parameter: Parameter, name: String)] = []
    var missing: [Parameter] = []
    var unexpected: [String] = []

    init(graph: Graph, archive: TensorArchive, layout: any WeightLayout) {
      var used = Set<String>()
      for parameter in graph.parameters {
        if let name = layout.spellings(of: parameter.name).first(where: { archive.tensors[$0] != nil }) {
          found.append((parameter, name))
          used.insert(name)
        } else {
          missing.append(parameter)
        }
      }
      unexpected = archive.names.filter { !used.contains($0) }
    }
  }
}

/// Everything that keeps a checkpoint from fitting a network.
package struct WeightsError: HalftoneError, Equatable {
  package enum Problem: Sendable, Equatable {
    case missing(name: String, dims: [Int])
    case unexpected(name: String, dims: [Int])
    case shape(name: String, expected: [Int], found: [Int])
    case elementType(name: String, found: ElementType)
    case notFinite(name: String, value: Float, position: Int, count: Int)

    var text: String {
      switch self {
      case .missing(let name, let dims): "missing: \(name) \(dims)"
      case .unexpected(let name, let dims): "unexpected: \(printable(name)) \(dims)"
      case .shape(let name, let expected, let found): "\(name): expected shape \(expected), found \(found)"
      case .elementType(let name, let found): "\(name): expected F32, F16 or BF16, found \(found.rawValue)"
      case .notFinite(let name, let value, let position, let count):
        "\(name): \(count == 1 ? "1 value is" : "\(count) values are") not finite, first \(value) at index \(position)"
      }
    }
  }

  package let file: String
  package let problems: [Problem]

  package var id: String { "E-WEIGHTS" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String {
    "\(printable(file)) does not fit the network:\n  " + problems.map(\.text).joined(separator: "\n  ")
  }
  package var hint: String? {
    "check that the configuration and the weights belong together and that the file is complete"
  }
}
