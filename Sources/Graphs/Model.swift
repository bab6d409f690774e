import Tensors

/// A network with its weights: everything an executor needs.
package struct Model: Sendable {
  package let graph: Graph
  /// By parameter name; exactly the graph's parameters but for `coded`, each with the graph's dims.
  package let parameters: [String: Tensor]
  /// Weights that exist as codes of a quantisation table only: executors take them from the table that they are given
  /// with the model, and no Float copy, four times as large, is kept.
  package let coded: Set<String>
  /// Weights that stay in their file until somebody works on them, so that no second copy is kept; nil where all are in memory.
  package let deferred: DeferredWeights?

  /// - Precondition: `parameters`, `coded` and `deferred` fit `graph.parameters` (weight layouts check files strictly before they
  ///   call this).
  package init(graph: Graph, parameters: [String: Tensor], coded: Set<String> = [], deferred: DeferredWeights? = nil) {
    precondition(
      graph.parameters.allSatisfy {
        parameters[$0.name]?.dims == $0.dims || coded.contains($0.name) || deferred?.names.contains($0.name) == true
      })
    self.graph = graph
    self.parameters = parameters
    self.coded = coded
    self.deferred = deferred
  }

  /// One parameter, from memory or from its file; nil for one that is a code only.
  /// - Throws: what keeps the file from being read.
  package func parameter(_ name: String) throws -> Tensor? {
    if let found = parameters[name] { return found }
    guard let deferred, deferred.names.contains(name) else { return nil }
    return try deferred.read(name)
  }

  /// The same with every parameter in memory.
  /// - Throws: what keeps the file from being read.
  package func loaded() throws -> Model {
    guard let deferred else { return self }
    var complete = parameters
    for name in deferred.names where complete[name] == nil { complete[name] = try deferred.read(name) }
    return Model(graph: graph, parameters: complete, coded: coded)
  }

  /// A part of the network, with its parameters. - Precondition: `graph`'s parameters are among this model's.
  package func part(_ graph: Graph) -> Model {
    Model(
      graph: graph, parameters: parameters.filter { name, _ in graph.parameters.contains { $0.name == name } },
      coded: coded, deferred: deferred?.part(graph))
  }

  /// The same network with other values of some parameters. - Precondition: they have the graph's dims.
  package func replacing(_ values: [String: Tensor]) -> Model {
    Model(
      graph: graph, parameters: parameters.merging(values) { _, new in new }, coded: coded, deferred: deferred)
  }
}

/// Weights in a file that is open, which have been looked at once: all are there, of the right shape, and finite.
package struct DeferredWeights: Sendable {
  package let names: Set<String>
  private let reading: @Sendable (String) throws -> Tensor

  package init(names: Set<String>, reading: @escaping @Sendable (String) throws -> Tensor) {
    self.names = names
    self.reading = reading
  }

  /// - Throws: what keeps the file from being read.
  func read(_ name: String) throws -> Tensor { try reading(name) }

  /// Those that a part of the network reads.
  func part(_ graph: Graph) -> DeferredWeights {
    DeferredWeights(names: names.intersection(graph.parameters.map(\.name)), reading: reading)
  }
}
