extension UNetPlan {
  /// A small network with every kind of layer that the builder makes, whichever family's configurations ask for it: fitted
  /// and plain shortcuts, attention on the way down and in the middle, spatial transformers with a context on the way up,
  /// both kinds of resampling that have weights, a learned timestep embedding, and classes with an embedding network of
  /// their own. Its layers' names are the words that the names of any U-Net here consist of.
  package static let everyKind: UNetPlan = {
    let attention = AttentionStyle(groups: 1, epsilon: 1e-5, heads: .count(1))
    var transformer = attention
    transformer.transformer = .init(depth: 1, takesContext: true)
    let resamplings: [Resampling] = [.convolution, .residualBlock, .plain]
    return UNetPlan(
      inChannels: 1, outChannels: 1, timeProjection: .learned(rows: 1, width: 4), embeddingWidth: 4,
      classEmbedding: .timestep(classes: 1), context: Context(tokens: 1, width: 4),
      style: ResidualStyle(groups: 1, epsilon: 1e-5, activation: .silu, timeScaleShift: .add), stemChannels: 4,
      levels: resamplings.enumerated().map { level, resampling in
        Level(
          channels: 4 * (level + 1), layers: 1, downAttention: attention, upAttention: transformer,
          downsampling: resampling, upsampling: resamplings[(level + 2) % 3])
      },
      middle: Middle(attention: attention, divisor: 1), downsamplePadding: 0)
  }()
}
