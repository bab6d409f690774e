import Graphs
import Tensors

extension UNet2DConfiguration {
  package var plan: UNetPlan {
    let attention = AttentionStyle(
      groups: normGroups, epsilon: Float(normEpsilon), heads: attentionHeadDim.map { .width($0) } ?? .count(1))
    var middleAttention = attention
    middleAttention.groups = midAttentionGroups
    return UNetPlan(
      inChannels: inChannels, outChannels: outChannels, centersInput: centerInputSample,
      timeProjection: timeProjection, embeddingWidth: timeEmbeddingWidth, classEmbedding: classEmbedding,
      style: ResidualStyle(
        groups: normGroups, epsilon: Float(normEpsilon), activation: activation, timeScaleShift: timeScaleShift),
      stemChannels: blockOutChannels[0],
      levels: blockOutChannels.indices.map { level in
        let (down, up) = (downBlocks[level], upBlocks[levels - 1 - level])
        return UNetPlan.Level(
          channels: blockOutChannels[level], layers: layersPerBlock,
          downAttention: down == .attention ? attention : nil,
          upAttention: up == .attention ? attention : nil, downsampling: resampling(down), upsampling: resampling(up))
      },
      middle: hasMidBlock
        ? UNetPlan.Middle(attention: addAttention ? middleAttention : nil, divisor: midBlockScaleFactor) : nil,
      downsamplePadding: downsamplePadding)
  }

  private var timeProjection: UNetPlan.TimeProjection {
    let width = blockOutChannels[0]
    switch timeEmbedding {
    case .positional:
      return .sinusoidal(
        SinusoidalEmbedding(width: width, flipSinToCos: flipSinToCos, frequencyShift: Float(freqShift)))
    // diffusers does not hand `flip_sin_to_cos` to this embedding: sines always come first.
    case .fourier: return .fourier(count: width)
    case .learned: return .learned(rows: trainTimesteps ?? 1, width: width)
    }
  }

  /// Plain blocks always resample by convolution and Resnet blocks by a residual block; attention blocks as
  /// `downsample_type` and `upsample_type` say.
  private func resampling(_ block: DownBlock) -> UNetPlan.Resampling {
    switch block {
    case .plain: .convolution
    case .attention: downsampling == .conv ? .convolution : .residualBlock
    case .resnet: .residualBlock
    }
  }

  private func resampling(_ block: UpBlock) -> UNetPlan.Resampling {
    switch block {
    case .plain: .convolution
    case .attention: upsampling == .conv ? .convolution : .residualBlock
    case .resnet: .residualBlock
    }
  }
}
