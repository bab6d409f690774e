extension Op {
  /// What drawings and lists call the operation.
  package var name: String {
    switch self {
    case .input: "input"
    case .sinusoidalEmbedding: "sinusoidal embedding"
    case .fourierEmbedding: "Fourier embedding"
    case .embedding: "embedding"
    case .conv2d(let convolution):
      "convolution \(convolution.dims[2])x\(convolution.dims[3])"
        + (convolution.stride == 1 ? "" : ", stride \(convolution.stride)")
    case .linear: "linear"
    case .attention(let attention): "attention, \(attention.heads == 1 ? "1 head" : "\(attention.heads) heads")"
    case .groupNorm(_, _, let groups, _): "group norm, \(groups) groups"
    case .layerNorm: "layer norm"
    case .activation(let activation): activation.rawValue
    case .geglu: "GEGLU"
    case .add: "add"
    case .addPerChannel: "add per channel"
    case .scaleShift: "scale and shift"
    case .affine(let scale, let offset): "times \(scale)" + (offset == 0 ? "" : " plus \(offset)")
    case .divideByTimestep: "divide by time"
    case .concatenate: "concatenate"
    case .upsampleNearest: "upsample 2x"
    case .averagePool: "average pool 2x2"
    case .pool(let pooling): "\(pooling.kind.rawValue) of \(pooling.size)x\(pooling.size)"
    case .toTokens: "to tokens"
    case .fromTokens: "from tokens"
    case .globalAveragePool: "mean over positions"
    }
  }
}
