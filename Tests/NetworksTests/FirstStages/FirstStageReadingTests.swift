import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// What configurations of first stages say, and that they may not contradict weights.
@Suite struct FirstStageReadingTests {
  private func message(_ body: () throws -> Void) -> String? { (thrownError(body) as? any HalftoneError)?.message }

  /// The configuration of a case with some of a section's keys replaced.
  private func refusal(_ folder: String, _ section: [String], _ changes: [(String, ConfigurationValue)]) throws
    -> String?
  {
    let stage = try GoldenFirstStage.named(folder)
    var document = try stage.document().value
    func change(_ value: ConfigurationValue, _ path: ArraySlice<String>) -> ConfigurationValue {
      guard let key = path.first else { return changes.reduce(value) { $0.setting($1.0, $1.1) } }
      return value.setting(key, change(value[key] ?? [:], path.dropFirst()))
    }
    document = change(document, section[...])
    let (weights, factor, isAlone) = try stage.source()
    return message {
      _ = try FirstStageCheckpoint.read(
        weights, document: CheckpointDocument(file: "config.yaml", value: document), scaleFactor: factor,
        isAlone: isAlone)
    }
  }

  private static let own = ["model", "params", "ddconfig"]
  private static let inner = ["model", "params", "first_stage_config", "params"]

  @Test func contradictionsAreNamedWithBothValues() throws {
    let found = try refusal("f4-vq-f4", Self.own, [("ch", 64), ("ch_mult", [1, 2, 2]), ("attn_resolutions", [])])
    #expect(
      found?.hasSuffix(
        """
         (CompVis autoencoder):
          ch: config.yaml says 64, the weights have 32
          ch_mult: config.yaml says 1,2,2, the weights have 1,2,1
          attn_resolutions: config.yaml says none, the weights have 8
        """) == true, "\(found ?? "")")
    let kind = try refusal("f3-ldm4-uncond", Array(Self.inner.dropLast()), [("target", "x.AutoencoderKL")])
    #expect(kind?.hasSuffix("first stage: config.yaml says AutoencoderKL, the weights have VQModel") == true)
    let embedded = try refusal("f3-ldm4-uncond", Self.inner, [("embed_dim", 4), ("n_embed", 128)])
    #expect(
      embedded?.hasSuffix(
        "embed_dim: config.yaml says 4, the weights have 3\n  n_embed: config.yaml says 128, the weights have 64")
        == true)
  }

  @Test func unknownKeysAndTypesAreNamedWithTheirPlace() throws {
    #expect(
      try refusal("f4-kl-f8", Self.own, [("attn_type", "linear"), ("num_res_block", 1)])
        == """
        config.yaml: model.params.ddconfig.attn_type: expected one of vanilla, none, vanilla-xformers, found "linear"
          config.yaml: model.params.ddconfig.num_res_block: unknown key (did you mean "num_res_blocks"?)
        """)
    #expect(
      try refusal(
        "f3-ldm8-churches", ["model", "params", "first_stage_config"], [("target", "ldm.IdentityFirstStage")])
        == "config.yaml: model.params.first_stage_config.target: expected AutoencoderKL, VQModel or VQModelInterface, found "
        + "IdentityFirstStage")
  }

  /// The scale of latents: a buffer of the checkpoint, a value of the configuration, or its default; and never a guess.
  @Test func theScaleComesFromTheDiffusionModel() throws {
    #expect(
      try GoldenFirstStage.named("f3-ldm8-churches").reading().configuration.scale?.factor == Double(Float(0.22765929)))
    #expect(try GoldenFirstStage.named("f3-ldm4-uncond").reading().configuration.scale == LatentScale(factor: 1))
    #expect(try GoldenFirstStage.named("f4-kl-f8").reading(document: false).configuration.scale == .identity)
    let silent = message { _ = try GoldenFirstStage.named("f3-ldm4-uncond").reading(document: false) }
    #expect(
      silent?.hasSuffix(
        "scale_factor: the weights do not tell it; give a configuration with --config FILE") == true, "\(silent ?? "")")
    let absent = try refusal("f3-ldm4-uncond", ["model", "params"], [("scale_by_std", true)])
    #expect(
      absent?.hasSuffix(
        "scale_factor: the configuration says scale_by_std, and the checkpoint has no scale_factor") == true)
    let latents = LatentScale(factor: 0.5, shift: 2).latents(Tensor([1, 2], [3, 4]))
    #expect(latents.values == [0.5, 1] && LatentScale(factor: 0.5, shift: 2).values(latents).values == [3, 4])
  }

  /// Without a configuration everything but the scale follows from names and shapes.
  @Test func weightsTellTheNetworks() throws {
    let (weights, factor, _) = try GoldenFirstStage.named("f4-vq-f4").source()
    let bare = try FirstStageCheckpoint.read(weights, document: nil, scaleFactor: factor, isAlone: true).configuration
    #expect(
      bare as? AutoencoderConfiguration == (try GoldenFirstStage.named("f4-vq-f4").reading().configuration)
        as? AutoencoderConfiguration)
    let configuration = try #require(bare as? AutoencoderConfiguration)
    #expect(configuration.attentionLevels == [2] && configuration.blockOutChannels == [32, 64, 32])
    #expect(configuration.factor == 4 && configuration.form == .codebook(codes: 256))
  }

  @Test func diffusersConfigurationsAreReadStrictly() throws {
    func decode(_ text: String) throws -> any FirstStageConfiguration {
      try FirstStageCatalog.decode(JSON.parse(Array(text.utf8), file: "config.json"), file: "config.json")
    }
    let plain = try #require(try decode(#"{"_class_name": "AutoencoderKL"}"#) as? AutoencoderConfiguration)
    #expect(plain.form == .gaussian && plain.factor == 1 && plain.scale == LatentScale(factor: 0.18215))
    let shifted = try decode(
      #"{"_class_name": "AutoencoderKL", "scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": false}"#)
    #expect(shifted.scale == LatentScale(factor: 0.3611, shift: 0.1159))
    #expect(
      message {
        _ = try decode(
          #"""
          {"_class_name": "VQModel", "norm_type": "spatial", "block_out_channels": [32, 48],
           "down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
           "up_block_types": ["UpDecoderBlock2D", "UpBlock2D"], "use_quant_conv": true}
          """#)
      } == """
        config.json: up_block_types[1]: expected UpDecoderBlock2D or AttnUpDecoderBlock2D, found "UpBlock2D"
          config.json: norm_type: expected "group", found "spatial"
          config.json: block_out_channels[1]: 32 groups do not divide 48 channels
          config.json: use_quant_conv: unknown key
        """)
    #expect(
      message { _ = try decode(#"{"_class_name": "AutoencoderKl"}"#) }
        == "config.json: _class_name: expected one of Autoencoder, AutoencoderTiny, AutoencoderKL, VQModel, found "
        + "\"AutoencoderKl\" (did you mean \"AutoencoderKL\"?)")
  }
}
