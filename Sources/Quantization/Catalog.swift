import Graphs
import Tensors

/// A way to quantise a model. It reads like its paper's algorithm: a composition of stages, without loops of its own.
///
/// A new method is one file in Methods/, a line in `Catalog`, and a recipe in calib/.
package protocol QuantizationMethod: Sendable {
  /// The value of a recipe's `method` key.
  static var name: String { get }
  /// What in a recipe's settings this method cannot mean; empty when all is well.
  static func contradictions(in recipe: Recipe) -> [String]
  static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork
}

/// Every quantisation method Halftone has. A new one adds its line here.
package enum Catalog {
  package static let methods: [any QuantizationMethod.Type] = [
    RoundToNearest.self,
    PTQ4DM.self,
    TFMQ.self,
    QDiffusion.self,
    QDrop.self,
    GPTQ.self,
    MixedPrecision.self,
  ]

  package static var names: [String] { methods.map { $0.name } }

  package static func method(named name: String) -> (any QuantizationMethod.Type)? {
    methods.first { $0.name == name }
  }
}

extension QuantizationTask {
  /// Runs the recipe's method.
  /// - Throws: `E-QUANT-RESULT` when what was made could not be stored.
  /// - Returns: the codes of every weight and the quantisers of every activation that the recipe quantises, with the
  ///   model whose biases belong to them.
  package func run() throws -> QuantizedNetwork {
    guard let method = Catalog.method(named: recipe.method) else { throw QuantizationError.method(recipe.method) }
    for pattern in selection.idlePatterns {
      note("note: float_layers: \(printable(pattern)) matches nothing, because this network has no such layers")
    }
    try checkActivations()
    var network = try method.quantize(self)
    network.correction = try measuredCorrection(of: network)
    let unusable = network.unusableValues
    if !unusable.isEmpty { throw QuantizationError.nonFiniteResult(unusable) }
    return network
  }
}
