import Diffusion
import Execution
import Tensors

/// What each image of a run is conditioned on, by its number alone: the same for any batch, shard or resumed run.
package struct ImageConditioning: Sendable {
  /// Class labels in turn; nil for networks that take none.
  package let labels: LabelCycle?

  /// - Parameter labels: as asked for; without, class-conditional networks show every class in turn.
  /// - Throws: when labels and network do not fit.
  package init(labels: LabelCycle?, form: ConditioningForm) throws(ExecutionError) {
    let labels = labels ?? form.classes.map { _ in LabelCycle(form.labels) }
    self.labels = labels
    // Every label of the cycle is some image's.
    for label in labels?.labels ?? [] { try form.check(Conditioning(label: label)) }
    // A context is no label: what makes it refuses what it cannot make.
    if labels == nil, form.context == nil { try form.check(.none) }
  }

  /// One conditioning per image; empty for unconditional networks.
  package func callAsFunction(_ images: [Int]) -> [Conditioning] {
    labels.map { cycle in images.map { Conditioning(label: cycle.label(of: $0)) } } ?? []
  }

  /// The part of a run's identity.
  var identity: ConfigurationValue { labels.map { .list($0.labels.map { .integer($0) }) } ?? .null }
}
