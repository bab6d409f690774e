import Tensors

extension Recipe {
  /// Checks a recipe for a network that knows no sampling steps, such as a first stage's decoder.
  /// - Parameter file: what messages name.
  /// - Throws: every setting that only means something where there are steps.
  package func checkWithoutSteps(file: String) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ text: String) {
      if !holds { problems.append(.init(path: "\(file): \(key)", text: text)) }
    }
    let why = "the network that this recipe is for has no sampling steps"
    require(activationTables == .shared, "activation_tables", "expected shared: \(why)")
    require(branches == .shared, "activation_tables.branches", "expected shared: \(why)")
    require(temporalFeatures == .computed, "temporal_features", "expected computed: \(why)")
    require(correction == nil, "correction", "expected none: \(why)")
    require(
      calibration.distribution == .uniform(every: 1), "calibration.distribution",
      "expected uniform with every 1: \(why)")
    if !problems.isEmpty { throw ConfigurationError(problems: problems) }
  }

  /// The same with everything left float: of a model of which other components are quantised alone.
  package var leavingEverythingFloat: Recipe {
    var recipe = self
    recipe.method = "rtn"
    recipe.weights = nil
    recipe.activations = nil
    recipe.adaptiveRanges = nil
    recipe.smoothing = nil
    recipe.reconstruction = nil
    recipe.mixedPrecision = nil
    recipe.floatLayers = []
    return recipe
  }
}
