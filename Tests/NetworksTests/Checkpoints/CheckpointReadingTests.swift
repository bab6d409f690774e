import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// What is read off weights, what configurations and options say beside them, and what is refused.
@Suite struct CheckpointReadingTests {
  private func read(
    _ source: any WeightSource, _ settings: ConfigurationValue? = nil, file: String = "flags.json",
    _ options: CheckpointOptions = CheckpointOptions()
  ) throws -> CheckpointReading {
    try CheckpointCatalog.read(
      CheckpointContents(source), document: settings.map { CheckpointDocument(file: file, value: $0) }, options: options
    )
  }

  private func message(_ body: () throws -> Void) -> String? { (thrownError(body) as? any HalftoneError)?.message }

  /// The configuration that the weights alone give, with what they cannot tell from options.
  private func inferred(_ name: String, _ options: CheckpointOptions) throws -> any UNetConfiguration {
    try read(GoldenCheckpoint.named(name).source(), nil, options).configuration
  }

  @Test func weightsTellAlmostEverything() throws {
    let square = SampleSize(height: 16, width: 16)
    let classes = CheckpointOptions(size: square, headChannels: 8, qkvOrder: .legacy)
    #expect(
      try inferred("f2-guided-legacy-updown-class", classes).encoded
        == GoldenCheckpoint.named("f2-guided-legacy-updown-class").reading().configuration.encoded)
    let even = CheckpointOptions(size: square, heads: 4, qkvOrder: .legacy)
    #expect(
      try inferred("f2-improved-in64like", even).encoded
        == GoldenCheckpoint.named("f2-improved-in64like").reading().configuration.encoded)
    let ddim = CheckpointOptions(size: SampleSize(height: 32, width: 32))
    #expect(
      try inferred("f1-ddim-bedroom", ddim).encoded
        == GoldenCheckpoint.named("f1-ddim-bedroom").reading().configuration.encoded)
  }

  @Test func everyHyperparameterSaysWhereItComesFrom() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-neworder")
    let reading = try read(
      checkpoint.source(), checkpoint.settings(), CheckpointOptions(size: SampleSize(height: 16, width: 32)))
    let found = Dictionary(uniqueKeysWithValues: reading.hyperparameters.map { ($0.key, $0) })
    #expect(found["num_channels"]?.origin == .inferred)
    #expect(found["channel_mult"]?.value == [2, 1])
    #expect(found["num_heads"]?.origin == .configured(file: "flags.json"))
    #expect(found["num_heads_upsample"]?.value == 2)
    #expect(found["image_size"]?.origin == .given(option: "--size"))
    #expect(found["image_size"]?.overridden == 16)
    #expect(reading.unused.contains("dropout") && reading.unused.contains("use_kl"))
    // Left out of the flags: what the program takes.
    let short = try read(
      checkpoint.source(), ["image_size": 16, "use_new_attention_order": "True", "num_heads_upsample": "2"])
    let defaults = Dictionary(uniqueKeysWithValues: short.hyperparameters.map { ($0.key, $0) })
    #expect(defaults["num_heads"]?.origin == .standard(of: "guided-diffusion"))
    #expect(defaults["diffusion_steps"]?.value == 1000)
    #expect(short.configuration.encoded == (try checkpoint.reading()).configuration.encoded)
  }

  @Test func whatNobodyTellsIsAskedForByName() throws {
    let guided = try GoldenCheckpoint.named("f2-guided-neworder").source()
    #expect(
      message { _ = try read(guided) } == """
        lsun_like.pt (improved-diffusion or guided-diffusion U-Net):
          image_size: the weights do not tell it; give --size HxW, or a configuration with --config FILE
          use_new_attention_order: the weights do not tell it; give --qkv-order legacy or --qkv-order new, or a configuration with --config FILE
          num_heads: the weights do not tell it; give --heads N or --head-channels N, or a configuration with --config FILE
        """)
    let ddim = try GoldenCheckpoint.named("f1-ddim-bedroom").source()
    #expect(
      message { _ = try read(ddim) } == """
        model-2388000.ckpt (DDIM U-Net):
          image_size: the weights do not tell it; give --size HxW, or a configuration with --config FILE
        """)
    let size = CheckpointOptions(size: SampleSize(height: 32, width: 32))
    let open = try read(ddim, nil, size).process
    #expect(open.value == nil)
    let ask =
      "the weights do not tell it; give a configuration with --config FILE, or the noise schedule with "
      + "--scheduler PATH or --beta-schedule CURVE"
    #expect(
      open.problem?.message == """
        model-2388000.ckpt (DDIM U-Net):
          beta_schedule: \(ask)
          num_diffusion_timesteps: \(ask)
          beta_start: \(ask)
          beta_end: \(ask)
        """)
  }

  @Test func contradictionsNameBothValues() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-neworder")
    let wrong = try checkpoint.settings().setting("flags.num_channels", 128)
      .setting("flags.channel_mult", "1,2").setting("flags.class_cond", true).setting("flags.learn_sigma", false)
      .setting("flags.attention_resolutions", "16").setting("flags.use_scale_shift_norm", true)
      .setting("flags.resblock_updown", "True").setting("flags.num_res_blocks", "3").setting("flags.num_heads", 5)
    #expect(
      message { _ = try read(checkpoint.source(), wrong) } == """
        lsun_like.pt (improved-diffusion or guided-diffusion U-Net):
          num_channels: flags.json says 128, the weights have 32
          channel_mult: flags.json says 1,2, the weights have 2,1
          num_res_blocks: flags.json says 3, the weights have 1
          learn_sigma: flags.json says false, the weights have true
          class_cond: flags.json says true, the weights have false
          use_scale_shift_norm: flags.json says true, the weights have false
          resblock_updown: flags.json says true, the weights have false
          attention_resolutions: flags.json says 16, the weights have 16,8
          num_heads: 5 heads do not divide the 64 channels of level 0
          num_heads: 5 heads do not divide the 32 channels of level 1
        """)
    let ddim = try GoldenCheckpoint.named("f1-ddim-bedroom")
    let other = try ddim.settings().setting("model.ch", 64).setting("model.ch_mult", [1, 1, 2, 2])
      .setting("model.attn_resolutions", [16]).setting("model.resamp_with_conv", false)
    #expect(
      message { _ = try read(ddim.source(), other, file: "config.yml") } == """
        model-2388000.ckpt (DDIM U-Net):
          ch: config.yml says 64, the weights have 32
          ch_mult: config.yml says 1,1,2,2, the weights have 2,1,1,1
          resamp_with_conv: config.yml says false, the weights have true
          attn_resolutions: config.yml says 16, the weights have 8
        """)
  }

  @Test func malformedConfigurationsNameEveryKey() throws {
    let source = try GoldenCheckpoint.named("f2-guided-neworder").source()
    #expect(
      message {
        _ = try read(
          source, ["image_sise": 16, "class_cond": "maybe", "channel_mult": "1,,2", "noise_schedule": "linaer"])
      } == """
        flags.json: channel_mult: expected positive numbers, with commas between, found "1,,2"
          flags.json: class_cond: expected True or False, found "maybe"
          flags.json: noise_schedule: expected one of linear, cosine, found "linaer" (did you mean "linear"?)
          flags.json: image_sise: unknown key (did you mean "image_size"?)
        """)
    let ddim = try GoldenCheckpoint.named("f1-ddim-bedroom")
    let other = try ddim.settings().setting("data.rescaled", false).setting("model.type", "bayesian")
    #expect(
      message { _ = try read(ddim.source(), other, file: "config.yml") } == """
        config.yml: data.rescaled: false is not supported: images would stand in [0, 1]
          config.yml: model.type: expected "simple", found "bayesian"
        """)
  }

  @Test func schedulesAreTheProgramsOwn() throws {
    let improved = try GoldenCheckpoint.named("f2-improved-in64like").reading().process.value
    #expect(improved?["beta_schedule"] == "squaredcos_cap_v2")
    #expect(improved?["num_train_timesteps"] == 4000)
    #expect(improved?["rescale_timesteps"] == true)
    #expect(improved?["variance_type"] == "learned_range")
    let checkpoint = try GoldenCheckpoint.named("f2-improved-noscaleshift")
    let linear = try checkpoint.settings().setting("flags.noise_schedule", "linear")
    let scheduler = try read(checkpoint.source(), linear).process.value
    #expect(scheduler?["beta_start"] == .number(0.25 * 1e-4))
    #expect(scheduler?["beta_end"] == .number(0.25 * 0.02))
    #expect(scheduler?["rescale_timesteps"] == nil)
    #expect(scheduler?["variance_type"] == "fixed_large")
    let ddim = try GoldenCheckpoint.named("f1-ddim-bedroom")
    for (curve, expected) in [("quad", "scaled_linear"), ("const", "linear"), ("sigmoid", "sigmoid")] {
      let settings = try ddim.settings().setting("diffusion.beta_schedule", .string(curve))
      let found = try read(ddim.source(), settings, file: "config.yml").process.value
      #expect(found?["beta_schedule"] == .string(expected))
      #expect(found?["beta_start"] == .number(curve == "const" ? 0.02 : 0.0001))
    }
  }

  /// With rescaled times the two programs' defaults differ, so flags of either must say it unless there are 1000 steps.
  @Test func rescalingIsAskedForWhereItMatters() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-improved-noscaleshift")
    let flags: ConfigurationValue = ["image_size": 16, "diffusion_steps": 4000, "num_heads_upsample": 2]
    #expect(
      try read(checkpoint.source(), flags).process.problem?.message == """
        cifar10_uncond_50M_500K.pt (improved-diffusion or guided-diffusion U-Net):
          rescale_timesteps: the weights do not tell it; improved-diffusion's default is True, guided-diffusion's False; say it in the configuration
        """)
    let improved = try read(checkpoint.source(), flags.setting("sigma_small", false))
    #expect(improved.process.value?["rescale_timesteps"] == true)
    let guided = try read(checkpoint.source(), flags.setting("resblock_updown", false))
    #expect(guided.process.value?["rescale_timesteps"] == nil)
    let usual = try read(checkpoint.source(), flags.setting("diffusion_steps", 1000))
    #expect(usual.process.value?["rescale_timesteps"] == nil)
  }

  @Test func anEmptyMultiplierStandsForTheSizes() throws {
    let checkpoint = try GoldenCheckpoint.named("f2-guided-neworder")
    let flags = try checkpoint.settings().setting("flags.channel_mult", "").setting("flags.image_size", 64)
      .setting("flags.attention_resolutions", "64,32")
    #expect(
      message { _ = try read(checkpoint.source(), flags) } == """
        lsun_like.pt (improved-diffusion or guided-diffusion U-Net):
          channel_mult: flags.json says 1,2,3,4, the weights have 2,1
        """)
  }

  /// Arrays of one element under these names.
  private func weights(_ names: String...) -> any WeightSource {
    let tensor = StoredTensor(Tensor([1, 1, 1, 1], [0]))
    return ArchivedWeights(
      TensorArchive(tensors: Dictionary(uniqueKeysWithValues: names.map { ($0, tensor) })), label: "m.pt")
  }

  @Test func otherFilesAreRefusedByName() throws {
    let kinds = [
      ("text_model.embeddings.token_embedding.weight", "a text encoder"),
      ("first_stage_model.encoder.conv_in.weight", "an autoencoder"),
      ("input_blocks.0.0.weight", "a classifier of guided-diffusion"),
      ("state.0.exp_avg", "the state of an optimiser, not weights"),
    ]
    for (name, kind) in kinds {
      let error = thrownError { _ = try read(weights(name)) } as? CheckpointError
      #expect(error?.id == "E-CHECKPOINT-KIND")
      #expect(error?.message.hasPrefix("m.pt holds \(kind)") == true, "\(error?.message ?? "")")
    }
    #expect(
      message { _ = try read(weights("temb.dense.0.weight", "conv_in.weight", "other")) } == """
        m.pt holds no network that is known here
          nearest: DDIM U-Net, which it has temb.dense.0.weight, conv_in.weight of, but not down.0.block.0.conv1.weight, conv_out.weight
          found: 3 arrays, conv_in.weight, other, temb.dense.0.weight
          known: DDIM U-Net, latent diffusion U-Net, improved-diffusion or guided-diffusion U-Net
        """)
  }
}
