import Graphs

/// Round to nearest: the baseline of every comparison. Weights go to the nearest code of a range chosen per output channel
/// (or, to see its effect alone, as another rounding of the recipe says); every activation site has one range over all
/// sampling steps.
package enum RoundToNearest: QuantizationMethod {
  package static let name = "rtn"

  package static func contradictions(in recipe: Recipe) -> [String] {
    recipe.activationTables == .shared
      ? []
      : ["method rtn has one range per activation for all steps; set activation_tables to shared, or method to tfmq"]
  }

  package static func quantize(_ task: QuantizationTask) throws -> QuantizedNetwork {
    try task.withActivations(task.reconstructed(task.firstRounding()))
  }
}
