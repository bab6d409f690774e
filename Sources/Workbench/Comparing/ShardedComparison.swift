import Tensors

/// The part of a comparison that falls to one shard: artefacts of some recipes, then units of images of every variant whose artefact
/// is there. Measuring and the table are left to the command without a shard.
struct ShardedComparison {
  let comparison: VariantComparison
  let shard: Shard

  /// What the shard did.
  struct Outcome {
    /// Recipes whose artefacts are this shard's.
    let recipes: [String]
    let images: Int
    let drawn: Int
  }

  /// - Throws: `AblationError.waiting`, which the same command goes on after, when images are left whose artefacts other shards
  ///   have not made yet; `Stopped`.
  func run(_ recipes: [(title: String, recipe: PreparedRecipe)]) throws -> Outcome {
    let own = shard.share(of: recipes.count)
    for position in own { _ = try comparison.artefact(recipes[position].recipe) }
    let float = try comparison.floatVariant()
    var (images, drawn) = try draw(float, variant: 0, of: recipes.count + 1)
    var waiting: [String] = []
    for (position, (title, recipe)) in recipes.enumerated() {
      if share(variant: position + 1, of: recipes.count + 1).isEmpty { continue }
      guard let variant = try comparison.finished(title, recipe) else {
        waiting.append(recipe.name)
        continue
      }
      let outcome = try draw(variant, variant: position + 1, of: recipes.count + 1)
      (images, drawn) = (images + outcome.images, drawn + outcome.drawn)
    }
    if !waiting.isEmpty { throw AblationError.waiting(recipes: waiting, images: images) }
    return Outcome(recipes: own.map { recipes[$0].recipe.name }, images: images, drawn: drawn)
  }

  private var units: WorkUnits { WorkUnits(of: comparison.images) }

  /// Positions among a variant's units, seed after seed, of those that are this shard's among the units of all variants.
  private func share(variant: Int, of count: Int) -> Range<Int> {
    let each = units.count * comparison.size.seeds.count
    let share = shard.share(of: each * count)
    return share.clamped(to: variant * each..<(variant + 1) * each)
  }

  private func draw(
    _ variant: VariantComparison.Variant, variant number: Int, of count: Int
  ) throws -> (images: Int, drawn: Int) {
    let (units, share) = (units, share(variant: number, of: count))
    var (images, drawn) = (0, 0)
    for (position, seed) in comparison.size.seeds.enumerated() {
      let first = (number * comparison.size.seeds.count + position) * units.count
      let own = share.clamped(to: first..<first + units.count)
      if own.isEmpty { continue }
      let outcome = try ShardedDrawing(
        units: units.part(own.lowerBound - first..<own.upperBound - first), sampler: variant.samplers[position],
        store: variant.stores[position]
      ).draw(
        title: "sampling \(variant.name), seed \(seed)", session: comparison.session, log: comparison.run.log)
      (images, drawn) = (images + outcome.kept + outcome.drawn, drawn + outcome.drawn)
    }
    return (images, drawn)
  }
}
