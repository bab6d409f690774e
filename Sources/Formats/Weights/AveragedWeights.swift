import Tensors

/// The moving averages of a checkpoint assigned to the weights that they are averages of.
struct AveragedWeights {
  /// The container's name of the average by the network's name of the weight.
  private(set) var names: [String: String] = [:]
  /// Weights without an average, where there are others with one.
  private(set) var without: [String] = []
  private(set) var notes: [String] = []

  /// What keeps the count beside the averages.
  private static let counters: Set<String> = ["decay", "num_updates", "step", "initted"]

  /// Names of averages are those of the weights, or those without dots: LitEma registers `diffusion_model.time_embed.0.weight` as
  /// `diffusion_modeltime_embed0weight`, which cannot be taken apart, so the map is built from the plain names.
  init(_ checkpoint: inout CheckpointNames, _ source: any WeightSource) throws(WeightsProblem) {
    var left = checkpoint.averages.filter { !Self.counters.contains($0.key) }
    guard !left.isEmpty, !checkpoint.isAveraged else { return }
    let dotless = left.contains { !$0.key.contains(".") } ? Self.withoutDots(checkpoint) : [:]
    for (average, full) in left.sorted(by: { $0.key < $1.key }) {
      let weights = checkpoint.network[average] == nil ? dotless[average, default: []] : [average]
      if weights.count > 1 { throw .ambiguousEMA(weights) }
      guard let weight = weights.first, let original = checkpoint.network[weight] else { continue }
      guard let own = source.entry(original), let other = source.entry(full), own.dims == other.dims else {
        throw .shapeOfEMA(
          name: weight, raw: source.entry(original)?.dims ?? [], ema: source.entry(full)?.dims ?? [])
      }
      names[weight] = full
      left[average] = nil
    }
    without =
      names.isEmpty
      ? []
      : checkpoint.network.filter {
        names[$0.key] == nil && source.entry($0.value)?.type.isFloatingPoint == true
      }.keys.sorted()
    if !left.isEmpty {
      let shown = left.keys.sorted()[0]
      notes.append(
        "\(left.count == 1 ? "1 EMA array belongs" : "\(left.count) EMA arrays belong") to no weight by name and "
          + "\(left.count == 1 ? "is" : "are") not used (\(printable(shown)))")
    }
  }

  /// Clean names of weights by what LitEma makes of their own, with or without the attributes that hold the network.
  private static func withoutDots(_ checkpoint: CheckpointNames) -> [String: [String]] {
    var out: [String: [String]] = [:]
    for (clean, relative) in checkpoint.relative.sorted(by: { $0.key < $1.key }) {
      var name = relative[...]
      while true {
        out[String(name.filter { $0 != "." }), default: []].append(clean)
        guard name.count > clean.count, let dot = name.firstIndex(of: ".") else { break }
        name = name[name.index(after: dot)...]
      }
    }
    return out
  }
}
