import Tensors

/// What a configuration says of the attention of an OpenAI U-Net, or of one made after it.
struct AttentionSettings {
  var heads: Int?
  /// -1 stands for the same as `heads`.
  var headsUpsample: Int?
  /// -1 stands for heads by number.
  var headChannels: Int?
  var usesNewOrder: Bool?

  func order(_ options: CheckpointOptions, _ resolver: inout HyperparameterResolver) -> QKVOrder? {
    resolver.settle(
      "use_new_attention_order", configured: usesNewOrder,
      given: options.qkvOrder.map { ("--qkv-order", $0 == .new) }, standard: false,
      ask: "give --qkv-order legacy or --qkv-order new, or a configuration with --config FILE"
    ).map { $0 ? QKVOrder.new : .legacy }
  }

  /// - Parameters:
  ///   - standard: the program's number of heads where nothing is said; nil where it has none.
  ///   - differsUpward: whether the way up may have another number.
  func heads(
    _ options: CheckpointOptions, standard: Int?, differsUpward: Bool = true, _ resolver: inout HyperparameterResolver
  ) -> OpenAIUNetConfiguration.Heads? {
    if options.heads != nil, options.headChannels != nil {
      resolver.report("--heads and --head-channels exclude each other")
      return nil
    }
    let ask = "give --heads N or --head-channels N, or a configuration with --config FILE"
    // Channels win over heads, as in the program; -1 means that they say nothing. An option replaces both flags.
    if options.heads == nil, options.headChannels != nil || (headChannels ?? -1) != -1 {
      let width = resolver.settle(
        "num_head_channels", configured: headChannels,
        given: options.headChannels.map { ("--head-channels", $0) }, ask: ask)
      return width.map { .width($0) }
    }
    let given = options.heads.map { ("--heads", $0) }
    let count = resolver.settle(
      "num_heads", configured: heads == -1 ? nil : heads, given: given, standard: standard, ask: ask)
    guard let count else { return nil }
    guard differsUpward else { return .count(count, up: count) }
    let upward = headsUpsample.flatMap { $0 == -1 ? nil : $0 }
    let up = resolver.settle("num_heads_upsample", configured: upward ?? count, given: given)
    return up.map { .count(count, up: $0) }
  }
}
