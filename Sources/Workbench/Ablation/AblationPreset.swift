import Tensors

/// An ablation of a paper: one recipe, and the changes that its rows make to it.
package struct AblationPreset: Sendable {
  package struct Row: Sendable {
    /// As the table calls it, and the name of its files.
    package let title: String
    package let name: String
    /// Dotted keys of the recipe and their values; nil takes the key away.
    package let changes: [(key: String, value: ConfigurationValue?)]

    package init(_ title: String, _ name: String, _ changes: [(key: String, value: ConfigurationValue?)]) {
      self.title = title
      self.name = name
      self.changes = changes
    }
  }

  package let name: String
  /// The recipe that the rows change.
  package let recipe: String
  package let rows: [Row]

  package static let all: [AblationPreset] = [tfmq]

  /// Huang et al. 2024, table 4: finite set calibration off, for the temporal block as in the paper, and for all
  /// activations as in the released code.
  package static let tfmq = AblationPreset(
    name: "tfmq", recipe: "tfmq-w4a8",
    rows: [
      Row("base", "base", [("activation_tables", "shared")]),
      Row("+FSC, temporal block", "fsc-block", [("activation_tables", "temporal_block")]),
      Row("+FSC, all activations", "fsc-all", [("activation_tables", "all")]),
    ])
}
