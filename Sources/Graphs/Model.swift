import Tensors

/// A network with its weights: everything an executor needs.
package struct Model: Sendable {
  package let graph: Graph
  /// By parameter name; exactly the graph's parameters but for `coded`, each with the graph's dims.
  package let parameters: [String: Tensor]
  /// Weights that exist as codes of a quantisation table only: executors take them from the table that they are given
  /// with the model, and no Float copy, four times as large, is kept.
  package let coded: Set<String>

  /// - Precondition: `parameters` and `coded` fit `graph.parameters` (weight layouts check files strictly before they
  ///   call this).
  package init(graph: Graph, parameters: [String: Tensor], coded: Set<String> = []) {
    precondition(graph.parameters.allSatisfy { parameters[$0.name]?.dims == $0.dims || coded.contains($0.name) })
    self.graph = graph
    self.parameters = parameters
    self.coded = coded
  }

  /// A part of the network, with its parameters. - Precondition: `graph`'s parameters are among this model's.
  package func part(_ graph: Graph) -> Model {
    Model(
      graph: graph, parameters: parameters.filter { name, _ in graph.parameters.contains { $0.name == name } },
      coded: coded)
  }
}
