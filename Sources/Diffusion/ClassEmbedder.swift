import Tensors

/// A table with a row for each class, as latent diffusion models have it in front of their network (`ClassEmbedder`; Rombach et al.
/// 2022, appendix E): the row of an image's class is the only token of the context that the network looks at.
package struct ClassEmbedder: Sendable, Equatable {
  /// [classes, width].
  package let table: Tensor
  /// The row that stands for no class, for guidance; nil where none is known.
  package let unconditional: Int?

  /// - Precondition: the table has two axes, and the row is one of it.
  package init(_ table: Tensor, unconditional: Int? = nil) {
    precondition(table.rank == 2 && (unconditional.map { (0..<table.dims[0]).contains($0) } ?? true))
    self.table = table
    self.unconditional = unconditional
  }

  /// What a network behind the table takes from outside: a label.
  package var form: ConditioningForm { ConditioningForm(classes: table.dims[0], unconditionalLabel: unconditional) }

  /// The context of a label. - Precondition: it is a row.
  package func context(of label: Int) -> Context { Context(table.rows(label..<(label + 1))) }

  /// The same conditioning as the network takes it: the context in place of the label.
  /// - Precondition: `form` allows it.
  package func embedded(_ conditioning: Conditioning) -> Conditioning {
    guard let label = conditioning.label else { return conditioning }
    return Conditioning(
      context: context(of: label), vectors: conditioning.vectors, branch: conditioning.branch)
  }
}
