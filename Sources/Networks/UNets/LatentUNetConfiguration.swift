import Graphs
import Tensors

/// The U-Net of CompVis' latent diffusion models with spatial transformers (Rombach et al. 2022, section 3.3): guided-diffusion's
/// network with transformers in place of its attention, which look at a context where there is one. Without transformers it
/// is that network, `OpenAIUNetConfiguration`.
package struct LatentUNetConfiguration: UNetConfiguration, Equatable {
  package static let className = "LatentUNet"

  /// Everything but the transformers.
  package var base: OpenAIUNetConfiguration
  /// Transformer blocks of each transformer.
  package var depth: Int
  /// What the transformers look at; nil: at the image alone.
  package var context: UNetPlan.Context?

  package init(base: OpenAIUNetConfiguration, depth: Int, context: UNetPlan.Context?) {
    self.base = base
    self.depth = depth
    self.context = context
  }

  static let mostDepth = 16
  static let mostTokens = 1 << 16
  /// Of the group normalisation in front of the transformer blocks.
  static let transformerEpsilon: Float = 1e-6

  package var sampleSize: SampleSize? {
    get { base.sampleSize }
    set { base.sampleSize = newValue }
  }

  package var contextTokens: Int? {
    get { context?.tokens }
    set { if let newValue { context?.tokens = newValue } }
  }

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    reader.ignore("_class_name")
    let width = OpenAIUNetConfiguration.optional(reader, "context_dim")
    let tokens = OpenAIUNetConfiguration.optional(reader, "context_tokens")
    if (width == nil) != (tokens == nil), reader.isSound("context_dim", "context_tokens") {
      reader.report("context_tokens", "expected a number exactly where context_dim is one")
    }
    if let tokens, tokens > mostTokens {
      reader.report("context_tokens", "expected 1 to \(mostTokens) tokens, found \(tokens)")
    }
    let context = width.flatMap { width in tokens.map { UNetPlan.Context(tokens: $0, width: width) } }
    let configuration = Self(
      base: OpenAIUNetConfiguration(reader), depth: reader.int("transformer_depth", in: 1...mostDepth),
      context: context)
    try reader.finish()
    return configuration
  }

  package var encoded: ConfigurationValue {
    .map(
      [.init("_class_name", .string(Self.className))] + base.entries + [
        .init("transformer_depth", .integer(depth)),
        .init("context_dim", context.map { .integer($0.width) } ?? .null),
        .init("context_tokens", context.map { .integer($0.tokens) } ?? .null),
      ])
  }

  package var plan: UNetPlan {
    // The heads of the way up concern plain attention only.
    let style = AttentionStyle(
      groups: UNetOutline.normGroups, epsilon: Self.transformerEpsilon, heads: base.heads.down,
      transformer: .init(depth: depth, takesContext: context != nil))
    var plan = base.plan
    for level in plan.levels.indices where plan.levels[level].downAttention != nil {
      (plan.levels[level].downAttention, plan.levels[level].upAttention) = (style, style)
    }
    plan.middle?.attention = style
    plan.context = context
    return plan
  }
}
