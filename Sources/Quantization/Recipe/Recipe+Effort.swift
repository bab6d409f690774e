/// How much work a quantisation may do: a recipe's numbers as they stand, fewer, or those of the papers.
package enum Effort: String, Sendable, CaseIterable {
  case fast, balanced, paper
}

extension Recipe {
  /// The recipe with iterations and samples scaled to an effort, and what changed: `key: old -> new`.
  ///
  /// - fast: a quarter of trajectories (never fewer than the batch of moving averages), of the samples that rounding and
  ///   reconstruction look at and of iterations, and half of the batch for the network as a whole; where blocks' weights would
  ///   be learned from nearest rounding, errors are compensated in closed form instead (GPTQ); ranges of activations are taken
  ///   in one pass, with float activations upstream.
  /// - balanced: as written.
  /// - paper: 256 trajectories, and 20,000 iterations at Adam's rate 1e-3 for blocks and the temporal block (AdaRound,
  ///   BRECQ, TFMQ-DM), 5,000 for the steps of a block's activations (BRECQ, Q-Diffusion); eight times the iterations for
  ///   the network as a whole, which no paper does.
  package func scaled(to effort: Effort) -> (recipe: Recipe, changes: [String]) {
    var scaling = EffortScaling(recipe: self)
    switch effort {
    case .fast: scaling.makeFast()
    case .balanced: break
    case .paper: scaling.makePaper()
    }
    return (scaling.recipe, scaling.changes)
  }
}

extension Recipe {
  /// The recipe with a share of its work, and what changed: `key: old -> new`. Trajectories, samples and iterations shrink
  /// alike, none below what its stage needs to make sense: a batch of moving averages, two samples a step, fifty iterations.
  /// - Parameter share: 0 … 1.
  package func scaled(by share: Double) -> (recipe: Recipe, changes: [String]) {
    var scaling = EffortScaling(recipe: self)
    scaling.shrink(to: share)
    return (scaling.recipe, scaling.changes)
  }
}

/// A recipe while it is scaled, and what has changed so far.
private struct EffortScaling {
  var recipe: Recipe
  var changes: [String] = []

  mutating func makeFast() {
    let trajectories = recipe.calibration.trajectories
    let fewest = recipe.activations?.average?.batch ?? 1
    set("calibration.trajectories", \.calibration.trajectories, min(max(trajectories / 4, fewest), trajectories))
    if case .gptq(var settings)? = recipe.weights?.rounding {
      let samples = Self.quarter(settings.samplesPerStep)
      note("weights.rounding.samples_per_step", settings.samplesPerStep, samples)
      settings.samplesPerStep = samples
      recipe.weights?.rounding = .gptq(settings)
    }
    compensateInsteadOfBlocks()
    if recipe.activations?.upstream == .quantized {
      recipe.activations?.upstream = .quantizedWeights
      changes.append("activations.upstream: quantized -> quantized_weights")
    }
    guard let reconstruction = recipe.reconstruction else { return }
    setLearningSamples(Self.quarter(reconstruction.samplesPerStep))
    scale("temporal_block", \.temporalBlock) { $0.iterations = Self.quarter($0.iterations) }
    scale("blocks", \.blocks) { $0.iterations = Self.quarter($0.iterations) }
    scale("network", \.network) {
      $0.iterations = Self.quarter($0.iterations)
      $0.batch = max($0.batch / 2, 1)
    }
    if let steps = reconstruction.activationSteps { setStepIterations(Self.quarter(steps.iterations)) }
  }

  private static let fewestSamples = 2
  private static let fewestIterations = 50

  mutating func shrink(to share: Double) {
    func part(_ number: Int, atLeast least: Int) -> Int {
      min(max(Int((Double(number) * share).rounded()), least), number)
    }
    func fewer(_ learning: inout Recipe.Learning) {
      learning.iterations = part(learning.iterations, atLeast: Self.fewestIterations)
    }
    let fewest = recipe.activations?.average?.batch ?? 1
    set(
      "calibration.trajectories", \.calibration.trajectories, part(recipe.calibration.trajectories, atLeast: fewest))
    if case .gptq(var settings)? = recipe.weights?.rounding {
      let samples = part(settings.samplesPerStep, atLeast: Self.fewestSamples)
      note("weights.rounding.samples_per_step", settings.samplesPerStep, samples)
      settings.samplesPerStep = samples
      recipe.weights?.rounding = .gptq(settings)
    }
    guard let reconstruction = recipe.reconstruction else { return }
    setLearningSamples(part(reconstruction.samplesPerStep, atLeast: Self.fewestSamples))
    scale("temporal_block", \.temporalBlock, fewer)
    scale("blocks", \.blocks, fewer)
    scale("network", \.network, fewer)
    if let steps = reconstruction.activationSteps {
      setStepIterations(part(steps.iterations, atLeast: Self.fewestIterations))
    }
  }

  mutating func makePaper() {
    set("calibration.trajectories", \.calibration.trajectories, max(recipe.calibration.trajectories, 256))
    func asInPapers(_ learning: inout Recipe.Learning) {
      learning.iterations = max(learning.iterations, 20_000)
      learning.learningRate = min(learning.learningRate, 1e-3)
    }
    scale("temporal_block", \.temporalBlock, asInPapers)
    scale("blocks", \.blocks, asInPapers)
    scale("network", \.network) { $0.iterations *= 8 }
    if let steps = recipe.reconstruction?.activationSteps {
      setStepIterations(steps.scope == .blocks ? max(steps.iterations, 5000) : 8 * steps.iterations)
    }
  }

  /// GPTQ in the place of blocks that are learned from nearest rounding. Blocks whose activations are learned with the
  /// weights (QDrop) stay.
  private mutating func compensateInsteadOfBlocks() {
    guard recipe.weights?.rounding == .nearest, let blocks = recipe.reconstruction?.blocks, blocks.activations == nil
    else { return }
    recipe.weights?.rounding = .gptq(
      Recipe.ErrorCompensation(samplesPerStep: 2, damping: 0.01, order: .activity, upstream: .float))
    recipe.reconstruction?.blocks = nil
    changes.append("weights.rounding: nearest -> gptq")
    changes.append("reconstruction.blocks: \(blocks.iterations) iterations -> none")
    if let rest = recipe.reconstruction, rest.temporalBlock == nil, rest.network == nil, rest.activationSteps == nil {
      recipe.reconstruction = nil
    }
  }

  private static func quarter(_ number: Int) -> Int { max(number / 4, 1) }

  // MARK: Values that change

  private mutating func set<Number: Equatable>(_ key: String, _ path: WritableKeyPath<Recipe, Number>, _ value: Number)
  {
    note(key, recipe[keyPath: path], value)
    recipe[keyPath: path] = value
  }

  private mutating func setLearningSamples(_ perStep: Int) {
    guard let before = recipe.reconstruction?.samplesPerStep else { return }
    recipe.reconstruction?.samplesPerStep = perStep
    note("reconstruction.samples_per_step", before, perStep)
  }

  private mutating func setStepIterations(_ iterations: Int) {
    set("reconstruction.activation_steps.iterations", \.reconstruction!.activationSteps!.iterations, iterations)
  }

  private mutating func scale(
    _ key: String, _ path: WritableKeyPath<Recipe.Reconstruction, Recipe.Learning?>,
    _ change: (inout Recipe.Learning) -> Void
  ) {
    guard let before = recipe.reconstruction?[keyPath: path] else { return }
    var after = before
    change(&after)
    recipe.reconstruction?[keyPath: path] = after
    note("reconstruction.\(key).iterations", before.iterations, after.iterations)
    note("reconstruction.\(key).batch", before.batch, after.batch)
    note("reconstruction.\(key).learning_rate", before.learningRate, after.learningRate)
  }

  private mutating func note<Number: Equatable>(_ key: String, _ old: Number, _ new: Number) {
    if old != new { changes.append("\(key): \(old) -> \(new)") }
  }
}
