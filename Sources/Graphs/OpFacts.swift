/// What is true of an operation without computing it. One table for everything that only classifies operations;
/// executors and gradients, which compute, switch over `Op` themselves.
package struct OpFacts: Sendable {
  /// What happens to the channels of the first operand.
  package enum Channels: Sendable {
    /// Each channel stays itself, or is normalised in its place.
    case kept
    /// The operands' channels stand one after another.
    case joined
    /// Channels are mixed, or there are none.
    case mixed
  }

  /// For which timesteps an operation that reads one is defined.
  package enum Domain: Sendable {
    case everything
    /// It takes the logarithm, or divides.
    case positive
    /// The timestep is a row of a table.
    case rows
  }

  /// Names of the parameters that the operation reads, the weight first.
  package var parameters: [String] = []
  /// Whether it is a convolution or linear layer: a weight, an input and an output that can be quantised.
  package var isLayer = false
  /// Present where the operation is an attention, whose queries, keys, probabilities and values can be quantised.
  package var attention: Attention?
  package var channels = Channels.mixed
  package var domain = Domain.everything
  /// Whether the values stay as they lie where channels come last.
  package var isReshape = false

  static func layer(_ weight: String, _ bias: String?) -> OpFacts {
    OpFacts(parameters: [weight] + [bias].compactMap { $0 }, isLayer: true)
  }

  static let keepsChannels = OpFacts(channels: .kept)
}

extension Op {
  package var facts: OpFacts {
    switch self {
    case .input, .sinusoidalEmbedding, .geglu, .add, .pool, .globalAveragePool: OpFacts()
    case .fourierEmbedding(let weight, _): OpFacts(parameters: [weight], domain: .positive)
    case .embedding(let table): OpFacts(parameters: [table], domain: .rows)
    case .divideByTimestep: OpFacts(domain: .positive)
    case .conv2d(let convolution): .layer(convolution.weight, convolution.bias)
    case .linear(let weight, let bias): .layer(weight, bias)
    case .attention(let attention): OpFacts(attention: attention)
    case .groupNorm(let scale, let shift, _, _): OpFacts(parameters: [scale, shift], channels: .kept)
    case .layerNorm(let scale, let shift, _): OpFacts(parameters: [scale, shift], channels: .kept)
    case .activation, .addPerChannel, .scaleShift, .affine, .upsampleNearest, .averagePool: .keepsChannels
    case .concatenate: OpFacts(channels: .joined)
    case .toTokens, .fromTokens: OpFacts(isReshape: true)
    }
  }

  /// Names of the parameters that the operation reads, the weight first.
  package var parameters: [String] { facts.parameters }

  /// What the input means, or nil for operations that compute.
  package var meaning: GraphInput.Meaning? {
    if case .input(let input) = self { input.meaning } else { nil }
  }
}
