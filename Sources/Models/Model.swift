import Tensors

/// A network with its weights: everything an executor needs.
package struct Model: Sendable {
  package let graph: Graph
  /// By parameter name; exactly the graph's parameters, each with the graph's dims.
  package let parameters: [String: Tensor]

  /// - Precondition: `parameters` fits `graph.parameters` (weight layouts check files strictly before they call this).
  package init(graph: Graph, parameters: [String: Tensor]) {
    precondition(graph.parameters.allSatisfy { parameters[$0.name]?.dims == $0.dims })
    self.graph = graph
    self.parameters = parameters
  }

  /// A part of the network, with its parameters. - Precondition: `graph`'s parameters are among this model's.
  package func part(_ graph: Graph) -> Model {
    Model(graph: graph, parameters: parameters.filter { name, _ in graph.parameters.contains { $0.name == name } })
  }
}
