import Diffusion
import Execution
import Formats
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// U-Nets of latent diffusion: what their files tell, the two containers of one network, and class tables.
@Suite struct LatentCheckpointTests {
  private func message(_ body: () throws -> Void) -> String? { (thrownError(body) as? any HalftoneError)?.message }

  private func read(
    _ checkpoint: GoldenCheckpoint, _ settings: ConfigurationValue?, _ options: CheckpointOptions = CheckpointOptions()
  ) throws -> CheckpointReading {
    try CheckpointCatalog.read(
      checkpoint.contents(), document: settings.map { CheckpointDocument(file: "config.yaml", value: $0) },
      options: options)
  }

  private func key(_ name: String) -> String { "model.params.\(name)" }
  private func network(_ name: String) -> String { "model.params.unet_config.params.\(name)" }

  /// The same network by CompVis' names and by diffusers' is the same graph with the same results, so recipes hold for both.
  @Test func containersOfOneNetworkAgree() throws {
    let checkpoint = try GoldenCheckpoint.named("f5-sd1")
    let folder = checkpoint.path("diffusers/unet")
    let configuration = try UNetCatalog.decode(JSON.read("\(folder)/config.json"), file: "config.json")
    #expect(type(of: configuration) == UNet2DConditionConfiguration.self)
    let weights = try Checkpoint("\(folder)/diffusion_pytorch_model.safetensors").weights
    let diffusers = try Model.load(graph: configuration.graph(), from: weights)
    let compvis = try checkpoint.model()
    #expect(diffusers.graph.nodes.map(\.path) == compvis.graph.nodes.map(\.path))
    #expect(diffusers.graph.nodes.map(\.op) == compvis.graph.nodes.map(\.op))
    #expect(diffusers.graph.sites == compvis.graph.sites)
    #expect(diffusers.parameters == compvis.parameters)
    let (input, expected) = try checkpoint.call()
    #expect(relativeError(try FloatExecutor(diffusers).run(input), expected) < 5e-5)
    let again = try UNetCatalog.decode(configuration.encoded, file: "again")
    #expect(again.plan == configuration.plan)
  }

  /// An unconditional latent model as diffusers has it: a U-Net of pixels that works on latents.
  @Test func aFolderOfALatentPipelineIsTheOriginal() throws {
    let folder = Fixtures.path("checkpoints/f6-ldm-pipeline")
    let configuration = try UNetCatalog.decode(JSON.read("\(folder)/unet/config.json"), file: "config.json")
    let weights = try Checkpoint("\(folder)/unet/diffusion_pytorch_model.bin").weights
    let model = try Model.load(graph: configuration.graph(), from: weights)
    let arrays = try NPZ.read("\(folder)/io.npz").tensors
    let input = NetworkInput(
      x: try #require(arrays["unet/x"]?.floats()),
      timesteps: try #require(arrays["unet/t"]).doubles().map { Timestep($0) })
    let expected = try #require(arrays["unet/y"]?.floats())
    for executor in ParityContract.all {
      #expect(relativeError(try executor.make(model).run(input), expected) < 1e-4, "\(executor.name)")
    }
  }

  /// The embedded model: labels become contexts by the table beside the network.
  @Test func labelsReachTheNetworkThroughTheTable() throws {
    let folder = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "models/fashion-mnist-ldm").path
    let opened = try Checkpoint("\(folder)/model.safetensors")
    let reading = try CheckpointCatalog.read(
      CheckpointContents(opened.weights, groups: opened.groups),
      document: CheckpointDocument(file: "config.yaml", value: YAML.read("\(folder)/config.yaml")),
      options: CheckpointOptions())
    let embedder = try #require(reading.conditioner)
    #expect(embedder.table.dims == [11, 64])
    #expect(embedder.unconditional == 10)
    #expect(embedder.form.labels == Array(0..<10))
    #expect(reading.latent?.scale == Double(Float(0.27315)) || abs((reading.latent?.scale ?? 0) - 0.27315) < 1e-4)
    #expect(reading.latent?.firstStage?.name == "AutoencoderKL")
    let model = try Model.load(
      graph: reading.configuration.graph(), from: opened.weights, layout: reading.layout)
    let arrays = try NPZ.read(Fixtures.path("latent/io.npz")).tensors
    let labels = try #require(arrays["label"]).doubles().map { Int($0) }
    let contexts = try #require(arrays["context"]?.floats())
    for (image, label) in labels.enumerated() {
      #expect(embedder.context(of: label).tokens == contexts.rows(image..<(image + 1)).reshaped([1, 64]))
    }
    let x = try #require(arrays["x"]?.floats())
    let timesteps = try #require(arrays["t"]).doubles().map { Timestep($0) }
    let expected = try #require(arrays["eps"]?.floats())
    let input = NetworkInput(
      x: x, timesteps: timesteps, conditioning: labels.map { embedder.embedded(Conditioning(label: $0)) })
    for executor in ParityContract.all {
      let found = try executor.make(model).run(input)
      let difference = zip(found.values, expected.values).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference < (executor.name == "winograd" ? 2e-4 : 5e-5), "\(executor.name): \(difference)")
    }
    // As samplers see it, the network takes labels.
    let denoiser = try NetworkDenoiser(
      graph: model.graph, executor: FloatExecutor(model), predictionType: .epsilon, embedder: embedder)
    #expect(denoiser.conditioning.classes == 11)
    let step = Step(index: 0, timestep: timesteps[1], previous: nil)
    let one = try denoiser.predict(x.rows(1..<2), at: step, conditioning: [Conditioning(label: labels[1])])
    #expect(relativeError(one, expected.rows(1..<2)) < 1e-4)
    #expect(
      message { _ = try denoiser.predict(x.rows(1..<2), at: step, conditioning: [Conditioning(label: 11)]) }
        == "label 11 is outside 0..<11")
  }

  @Test func keysAndValuesFollowTheContextAlone() throws {
    let graph = try GoldenCheckpoint.named("f3-ldm-cin256").reading().configuration.graph()
    let constant = graph.nodes.filter { graph.phase(of: $0.index) == .context }.map(\.path)
    #expect(constant.contains("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"))
    #expect(constant.allSatisfy { $0 == "context" || $0.hasSuffix(".attn2.to_k") || $0.hasSuffix(".attn2.to_v") })
    // The temporal block is the residual blocks' alone.
    #expect(GraphSummary(graph).temporalMembers.allSatisfy { $0.contains("time_emb") })
  }

  @Test func weightsTellAllButHeadsAndSize() throws {
    let checkpoint = try GoldenCheckpoint.named("f3-ldm-cin256")
    let reading = try read(checkpoint, nil, CheckpointOptions(size: SampleSize(height: 8, width: 8), heads: 1))
    #expect(reading.configuration.encoded == (try checkpoint.reading()).configuration.encoded)
    #expect(reading.conditioner?.table.dims == [11, 24])
    #expect(reading.conditioner?.unconditional == nil)
    #expect(
      message { _ = try read(checkpoint, nil) } == """
        model.ckpt (latent diffusion U-Net):
          image_size: the weights do not tell it; give --size HxW, or a configuration with --config FILE
          num_heads: the weights do not tell it; give --heads N or --head-channels N, or a configuration with --config FILE
        """)
    let churches = try GoldenCheckpoint.named("f3-ldm8-churches").reading()
    #expect(churches.latent.map { abs($0.scale - 0.22765929) < 1e-7 } == true)
    #expect(churches.hyperparameters.first { $0.key == "scale_factor" }?.origin == .inferred)
    let process = churches.process.value
    #expect(process?["beta_schedule"] == "scaled_linear")
    #expect(process?["beta_end"] == .number(0.0155))
    #expect(process?["set_alpha_to_one"] == false)
  }

  @Test func contradictionsNameBothValues() throws {
    let checkpoint = try GoldenCheckpoint.named("f3-ldm-cin256")
    let wrong = try checkpoint.settings().setting(network("model_channels"), 64)
      .setting(network("attention_resolutions"), [1, 2]).setting(network("context_dim"), 32)
      .setting(network("transformer_depth"), 2).setting(network("num_heads"), 3)
      .setting(key("cond_stage_config.params.n_classes"), 1001)
    #expect(
      message { _ = try read(checkpoint, wrong) } == """
        model.ckpt (latent diffusion U-Net):
          model_channels: config.yaml says 64, the weights have 32
          attention_resolutions: config.yaml says 1,2, the weights have 2
          transformer_depth: config.yaml says 2, the weights have 1
          n_classes: config.yaml says 1001, the weights have 11
          context_dim: config.yaml says 32, the weights have 24
          num_heads: 3 heads do not divide the 64 channels of level 1
        """)
    let uncond = try GoldenCheckpoint.named("f3-ldm4-uncond")
    let other = try uncond.settings().setting(network("use_spatial_transformer"), true)
    #expect(
      message { _ = try read(uncond, other) } == """
        model.ckpt (latent diffusion U-Net):
          use_spatial_transformer: config.yaml says true, the weights have false
        """)
    let scaled = try GoldenCheckpoint.named("f3-ldm8-churches")
    #expect(
      message { _ = try read(scaled, scaled.settings().setting(key("scale_factor"), 0.5)) }?
        .contains("scale_factor: config.yaml says 0.5, the weights have 0.2276") == true)
  }

  @Test func configurationsAreReadStrictly() throws {
    let checkpoint = try GoldenCheckpoint.named("f3-ldm-cin256")
    let wrong = try checkpoint.settings().setting(key("parameterization"), "epsilon")
      .setting(key("conditioning_key"), "hybrid").setting(network("num_head_chanels"), 8)
      .setting(network("dims"), 3).setting("model.target", "ldm.models.autoencoder.AutoencoderKL")
    #expect(
      message { _ = try read(checkpoint, wrong) } == """
        config.yaml: model.target: expected a LatentDiffusion, found "ldm.models.autoencoder.AutoencoderKL"
          config.yaml: model.params.parameterization: expected one of eps, x0, v, found "epsilon"
          config.yaml: model.params.unet_config.params.dims: 3 is not supported, expected 2
          config.yaml: model.params.conditioning_key: "hybrid" is not supported: the network takes another image beside the latents
          config.yaml: model.params.unet_config.params.num_head_chanels: unknown key (did you mean "num_head_channels"?)
        """)
    let reading = try checkpoint.reading()
    #expect(reading.unused.contains("model.params.monitor"))
    let text = try GoldenCheckpoint.named("f5-sd1").reading()
    #expect(text.conditioner == nil)
    #expect(text.configuration.contextTokens == 77)
  }

  @Test func configurationsOfConditionalFoldersAreReadStrictly() throws {
    let folder = Fixtures.path("checkpoints/f5-sd1/diffusers/unet/config.json")
    let sound = try JSON.read(folder)
    func problem(_ key: String, _ value: ConfigurationValue?) -> String? {
      message { _ = try UNetCatalog.decode(sound.setting(key, value), file: "c") }
    }
    #expect(
      problem("attention_head_dim", 5) == "c: attention_head_dim: 5 heads do not divide the 64 channels of level 1")
    #expect(
      problem("attention_head_dim", [4, 4, 4])
        == "c: attention_head_dim: expected 2 levels as in block_out_channels, found 3")
    #expect(
      problem("addition_embed_type", "text_time")
        == "c: addition_embed_type: \"text_time\" is not supported, expected null")
    #expect(
      problem("only_cross_attention", true)
        == "c: only_cross_attention: true is not supported, expected false or null")
    #expect(
      problem("cross_attention_dim", nil) == nil
        && problem("cross_atention_dim", 8)
          == "c: cross_atention_dim: unknown key (did you mean \"cross_attention_dim\"?)"
    )
    let twice = try UNetCatalog.decode(sound.setting("num_attention_heads", [2, 2]), file: "c")
    #expect((twice as? UNet2DConditionConfiguration)?.heads == [2, 2])
  }
}
