import Diffusion
import Graphs
import Tensors

extension CalibrationProvenance {
  /// Throws unless a set of this provenance may calibrate `graph` for `recipe`: same model, same sampler and steps, drawn
  /// as the recipe says (seed and order aside), and no smaller.
  /// - Parameter form: what the model is conditioned on; nil for what its network is.
  package func check(
    fits recipe: Recipe, graph: Graph, form: ConditioningForm? = nil, modelDigest: String, sampler: ConfigurationValue,
    steps: [Step], guidance: GuidanceSetting? = nil
  ) throws(QuantizationError) {
    if self.modelDigest != modelDigest { throw .setOfOtherModel(expected: modelDigest, found: self.modelDigest) }
    let shape = Self.shown(graph.imageShape, form ?? graph.conditioning)
    let own = Self.shown(imageShape, conditioning)
    if own != shape { throw .setOfOtherShape(expected: shape, found: own) }
    var differences = Self.differences(set: self.sampler, recipe: sampler)
    if differences.isEmpty, self.steps != steps {
      differences = ["steps: the set has \(Self.shown(self.steps)), the recipe gives \(Self.shown(steps))"]
    }
    if differences.isEmpty, self.guidance != guidance {
      let (own, asked) = (self.guidance, guidance)
      let shown = { (setting: GuidanceSetting?) in setting?.encode().shown ?? "none" }
      differences = ["guidance: the set has \(shown(own)), asked for is \(shown(asked))"]
    }
    if !differences.isEmpty { throw .setOfOtherSampler(differences: differences) }
    let drawn = Self.differences(
      set: calibration.encode(), recipe: recipe.calibration.encode(), ignoring: ["trajectories", "seed"])
    if !drawn.isEmpty { throw .setOfOtherDistribution(differences: drawn) }
    if calibration.trajectories < recipe.calibration.trajectories {
      throw .setTooSmall(needed: recipe.calibration.trajectories, found: calibration.trajectories)
    }
  }

  private static func shown(_ shape: ImageShape, _ conditioning: ConditioningForm) -> String {
    conditioning.classes.map { "\(shape) in \($0) classes" } ?? "\(shape)"
  }

  private static func shown(_ steps: [Step]) -> String {
    let timesteps = steps.map(\.timestep.description)
    let list = timesteps.count > 8 ? timesteps.prefix(4) + ["…"] + timesteps.suffix(3) : timesteps[...]
    return "\(steps.count) (\(list.joined(separator: ", ")))"
  }

  /// One line per key whose values differ.
  private static func differences(
    set: ConfigurationValue, recipe: ConfigurationValue, ignoring: Set<String> = []
  ) -> [String] {
    var keys = set.keys
    for key in recipe.keys where !keys.contains(key) { keys.append(key) }
    return keys.filter { !ignoring.contains($0) && set[$0] != recipe[$0] }.map { key in
      "\(printable(key)): the set has \(set[key]?.shown ?? "nothing"), the recipe \(recipe[key]?.shown ?? "nothing")"
    }
  }
}

extension ConfigurationValue {
  fileprivate var keys: [String] { if case .map(let entries) = self { entries.map(\.key) } else { [] } }
}
