/// A way of naming a network's parameters in a checkpoint.
package protocol WeightLayout: Sendable {
  /// What reports call the layout.
  var name: String { get }
  /// The names under which a checkpoint may hold the graph's `parameter`, the preferred one first.
  func spellings(of parameter: String) -> [String]
}

/// Every layout, tried in order. A new one is one file beside this one and one line here.
package enum WeightLayoutCatalog {
  package static let layouts: [any WeightLayout] = [
    DiffusersLayout()
  ]
}
