import Graphs

/// How a kind of checkpoint stores the parameters of a graph.
package protocol WeightLayout: Sendable {
  /// What reports call the layout.
  var name: String { get }
  /// What the parameter may be made of, the preferred way first; never empty. The first of which every array is there is taken.
  func expressions(for parameter: Parameter) -> [WeightExpression]
  /// Whether a stored array has no part in the network and is left out without complaint.
  func leavesOut(_ name: String) -> Bool
}

extension WeightLayout {
  package func leavesOut(_ name: String) -> Bool { false }
}

/// A layout in which the graph's layers stand in a checkpoint under other names, some of them several in one array.
package struct ModuleLayout: WeightLayout {
  /// Where a layer's `weight` and `bias` stand.
  package enum Place: Sendable, Equatable {
    /// At the module of that name.
    case module(String)
    /// In some rows of the weight and bias of the module of that name.
    case rows(RowSelection, of: String)
  }

  package let name: String
  /// By the layer's path in the graph; layers that are not listed stand under their own.
  private let places: [String: Place]

  package init(name: String, places: [String: Place]) {
    self.name = name
    self.places = places
  }

  package func expressions(for parameter: Parameter) -> [WeightExpression] {
    guard let point = parameter.name.lastIndex(of: "."), let place = places[String(parameter.name[..<point])] else {
      return [.stored(parameter.name)]
    }
    let suffix = parameter.name[point...]
    switch place {
    case .module(let module): return [.stored(module + suffix)]
    case .rows(let selection, let module): return [.rows(selection, of: .stored(module + suffix))]
    }
  }
}
