import Graphs
import Tensors

/// How a checkpoint stores one side of a first stage: the other side, the codebook and the losses of training stand in the same
/// container and are left out.
package struct FirstStageLayout: WeightLayout {
  private let base: any WeightLayout
  private let others: [String]

  /// - Parameter base: of both sides.
  package init(_ base: any WeightLayout, side: FirstStageSide) {
    self.base = base
    others =
      ["quantize.", "loss."] + (side == .decoder ? ["encoder.", "quant_conv."] : ["decoder.", "post_quant_conv."])
  }

  package var name: String { base.name }
  package func expressions(for parameter: Parameter) -> [WeightExpression] { base.expressions(for: parameter) }
  package func leavesOut(_ name: String) -> Bool {
    base.leavesOut(name) || others.contains { name.hasPrefix($0) }
  }
}

extension WeightLayout {
  /// The element type that a parameter's values have in a checkpoint: one of the 16-bit types where all arrays that make it are of
  /// that type, else F32.
  package func elementType(of parameter: Parameter, in source: any WeightSource) -> ElementType {
    let choices = expressions(for: parameter).map {
      $0.demands(for: parameter.dims).map { source.entry($0.name)?.type }
    }
    let types = Set((choices.first { $0.allSatisfy { $0 != nil } } ?? []).compactMap { $0 })
    return types == [.f16] ? .f16 : types == [.bf16] ? .bf16 : .f32
  }
}
