/// What a recipe claims to be when it names a method: a paper's algorithm, or one of our own.
///
/// All recipes run through the same stages, each of which a section of the recipe sets or turns off
/// (`QuantizationTask.run`). A method is the promise that the sections say what its paper says.
package struct QuantizationMethod: Sendable {
  /// The value of a recipe's `method` key.
  package let name: String
  /// Where it was published.
  package let source: String
  /// Whether its recipes may keep temporal features instead of computing them (`temporal_features`).
  let keepsFeatures: Bool
  /// What in a recipe's settings this method cannot mean; empty when all is well.
  let contradictions: @Sendable (Recipe) -> [String]

  init(
    name: String, source: String, keepsFeatures: Bool = false,
    contradictions: @escaping @Sendable (Recipe) -> [String]
  ) {
    self.name = name
    self.source = source
    self.keepsFeatures = keepsFeatures
    self.contradictions = contradictions
  }
}

extension Recipe {
  /// A contradiction of methods whose activations have one quantiser for all sampling steps.
  var tablesThatAreNotShared: [String] {
    activationTables == .shared
      ? []
      : [
        "method \(method) has one range per activation for all steps; set activation_tables to shared, or method to tfmq or halftone"
      ]
  }
}
