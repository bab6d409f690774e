import Graphs
import Tensors

extension UNet2DConditionConfiguration {
  package var plan: UNetPlan {
    func transformer(_ level: Int) -> AttentionStyle {
      AttentionStyle(
        groups: normGroups, epsilon: LatentUNetConfiguration.transformerEpsilon, heads: .count(heads[level]),
        transformer: .init(depth: transformerDepth[level], takesContext: true))
    }
    return UNetPlan(
      inChannels: inChannels, outChannels: outChannels, centersInput: centerInputSample,
      timeProjection: .sinusoidal(
        SinusoidalEmbedding(
          width: blockOutChannels[0], flipSinToCos: flipSinToCos, frequencyShift: Float(freqShift))),
      embeddingWidth: 4 * blockOutChannels[0], classEmbedding: classEmbedding,
      context: UNetPlan.Context(tokens: tokens, width: crossAttentionDim),
      style: ResidualStyle(
        groups: normGroups, epsilon: Float(normEpsilon), activation: activation, timeScaleShift: timeScaleShift),
      stemChannels: blockOutChannels[0],
      levels: blockOutChannels.indices.map { level in
        let (down, up) = (downBlocks[level], upBlocks[levels - 1 - level])
        return UNetPlan.Level(
          channels: blockOutChannels[level], layers: layersPerBlock,
          downAttention: down == .transformer ? transformer(level) : nil,
          upAttention: up == .transformer ? transformer(level) : nil,
          downsampling: down == .resnet ? .residualBlock : .convolution,
          upsampling: up == .resnet ? .residualBlock : .convolution)
      },
      middle: hasMidBlock
        ? UNetPlan.Middle(attention: transformer(levels - 1), divisor: midBlockScaleFactor) : nil,
      downsamplePadding: downsamplePadding)
  }
}
