/// How much work a quantisation may do: a recipe's numbers as they stand, fewer, or those of the papers.
package enum Effort: String, Sendable, CaseIterable {
  case fast, balanced, paper
}

extension Recipe {
  /// The recipe with iterations and samples scaled to an effort, and what changed: `key: old -> new`.
  ///
  /// - fast: a quarter of trajectories and iterations, half of the samples that rounding and reconstruction look at;
  ///   trajectories never below the batch of moving averages.
  /// - balanced: as written.
  /// - paper: 256 trajectories, and 20,000 iterations at Adam's rate 1e-3 for blocks and the temporal block (AdaRound,
  ///   BRECQ, TFMQ-DM), 5,000 for the steps of a block's activations (BRECQ, Q-Diffusion); eight times the iterations for
  ///   the network as a whole, which no paper does.
  package func scaled(to effort: Effort) -> (recipe: Recipe, changes: [String]) {
    var recipe = self
    var changes: [String] = []
    func set<Number: Equatable>(_ key: String, _ path: WritableKeyPath<Recipe, Number>, _ value: Number) {
      if recipe[keyPath: path] == value { return }
      changes.append("\(key): \(recipe[keyPath: path]) -> \(value)")
      recipe[keyPath: path] = value
    }
    let trajectories = calibration.trajectories
    switch effort {
    case .balanced: break
    case .fast:
      let fewest = activations?.average?.batch ?? 1
      set("calibration.trajectories", \.calibration.trajectories, min(max(trajectories / 4, fewest), trajectories))
    case .paper: set("calibration.trajectories", \.calibration.trajectories, max(trajectories, 256))
    }
    if effort == .fast, case .gptq(var settings)? = weights?.rounding {
      let samples = max(settings.samplesPerStep / 2, 1)
      if samples != settings.samplesPerStep {
        changes.append("weights.rounding.samples_per_step: \(settings.samplesPerStep) -> \(samples)")
        settings.samplesPerStep = samples
        recipe.weights?.rounding = .gptq(settings)
      }
    }
    guard let reconstruction else { return (recipe, changes) }
    if effort == .fast {
      set(
        "reconstruction.samples_per_step", \.reconstruction!.samplesPerStep, max(reconstruction.samplesPerStep / 2, 1))
    }
    func scale(_ key: String, _ path: WritableKeyPath<Recipe, Learning?>, isNetwork: Bool) {
      guard var learning = recipe[keyPath: path] else { return }
      let before = learning
      switch effort {
      case .balanced: return
      case .fast: learning.iterations = max(learning.iterations / 4, 1)
      case .paper:
        learning.iterations = isNetwork ? 8 * learning.iterations : max(learning.iterations, 20_000)
        if !isNetwork { learning.learningRate = min(learning.learningRate, 1e-3) }
      }
      recipe[keyPath: path] = learning
      if before.iterations != learning.iterations {
        changes.append("reconstruction.\(key).iterations: \(before.iterations) -> \(learning.iterations)")
      }
      if before.learningRate != learning.learningRate {
        changes.append("reconstruction.\(key).learning_rate: \(before.learningRate) -> \(learning.learningRate)")
      }
    }
    scale("temporal_block", \.reconstruction!.temporalBlock, isNetwork: false)
    scale("blocks", \.reconstruction!.blocks, isNetwork: false)
    scale("network", \.reconstruction!.network, isNetwork: true)
    if let steps = reconstruction.activationSteps {
      let iterations =
        switch (effort, steps.scope) {
        case (.balanced, _): steps.iterations
        case (.fast, _): max(steps.iterations / 4, 1)
        case (.paper, .blocks): max(steps.iterations, 5000)
        case (.paper, .network): 8 * steps.iterations
        }
      set(
        "reconstruction.activation_steps.iterations", \.reconstruction!.activationSteps!.iterations, iterations)
    }
    return (recipe, changes)
  }
}
