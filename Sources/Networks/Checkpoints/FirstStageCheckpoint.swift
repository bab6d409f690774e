import Graphs
import Tensors

/// A first stage found in a checkpoint: what builds its networks and loads their weights.
package struct FirstStageReading: Sendable {
  /// What reports call the kind of first stage.
  package let family: String
  /// With the scale between its values and latents.
  package let configuration: any FirstStageConfiguration
  package let layout: any WeightLayout
  package let hyperparameters: [Hyperparameter]
  /// Keys of the configuration that have no meaning here: training and its losses.
  package let unused: [String]
}

/// First stages of CompVis's latent-diffusion and taming-transformers, by themselves or within a diffusion model's checkpoint. Their
/// weights tell everything but the scale of latents.
package enum FirstStageCheckpoint {
  static let name = "CompVis autoencoder"
  static let landmarks = [
    "encoder.conv_in.weight", "encoder.down.0.block.0.conv1.weight", "encoder.conv_out.weight",
    "decoder.conv_in.weight", "decoder.up.0.block.0.conv1.weight", "decoder.conv_out.weight",
    "post_quant_conv.weight", "quant_conv.weight",
  ]

  /// Whether arrays look like those of a first stage by themselves.
  package static func isOne(_ source: any WeightSource) -> Bool { landmarks.allSatisfy { source.entry($0) != nil } }

  /// - Parameters:
  ///   - source: the first stage's arrays under its own names.
  ///   - scaleFactor: what the diffusion model's checkpoint holds under `scale_factor`; nil where it holds none.
  ///   - isAlone: whether no diffusion model stands in the checkpoint: then nothing scales latents.
  /// - Throws: `ConfigurationError` for a malformed document, `CheckpointError` with every contradiction and everything that
  ///   nobody tells.
  package static func read(
    _ source: any WeightSource, document: CheckpointDocument?, scaleFactor: Double?, isAlone: Bool
  ) throws -> FirstStageReading {
    let missing = landmarks.filter { source.entry($0) == nil }
    if !missing.isEmpty {
      throw CheckpointError.structure(file: source.label, family: name, problems: missing.map { "missing: \($0)" })
    }
    let weights = try Weights(source)
    let settings = try document.map { try FirstStageSettings($0, isAlone: isAlone) }
    var resolver = HyperparameterResolver(file: document?.file, program: "CompVis/latent-diffusion")
    weights.settle(&resolver, settings)
    let scale = Self.scale(&resolver, settings, scaleFactor, isAlone: isAlone)
    guard resolver.problems.isEmpty, let scale else {
      throw CheckpointError.hyperparameters(file: source.label, family: name, problems: resolver.problems)
    }
    var configuration = weights.configuration
    configuration.scale = scale
    let problems = configuration.problems
    if !problems.isEmpty {
      throw CheckpointError.structure(
        file: source.label, family: name, problems: problems.map { "\($0.key): \($0.text)" })
    }
    return FirstStageReading(
      family: name, configuration: configuration, layout: layout(configuration), hyperparameters: resolver.settled,
      unused: settings?.unused ?? [])
  }

  /// What latents are multiplied by: the buffer of a model trained with `scale_by_std`, or what its configuration says.
  private static func scale(
    _ resolver: inout HyperparameterResolver, _ settings: FirstStageSettings?, _ buffer: Double?, isAlone: Bool
  ) -> LatentScale? {
    if isAlone { return .identity }
    let factor: Double?
    if let buffer {
      factor = resolver.settle("scale_factor", inferred: buffer)
    } else {
      if settings?.scalesByDeviation == true {
        resolver.report("scale_factor: the configuration says scale_by_std, and the checkpoint has no scale_factor")
        return nil
      }
      factor = resolver.settle("scale_factor", configured: settings?.scaleFactor, standard: 1)
    }
    if let factor, factor == 0 || !factor.isFinite {
      resolver.report("scale_factor: expected a number that is not 0, found \(factor)")
    }
    return factor.map { LatentScale(factor: $0) }
  }

  /// What names and shapes tell.
  private struct Weights {
    let configuration: AutoencoderConfiguration

    init(_ source: any WeightSource) throws {
      let shapes = WeightShapes(source, family: name)
      let levels = shapes.count { "encoder.down.\($0).block.0.conv1.weight" }
      let inner = shapes.dim("decoder.conv_in.weight", 1)
      let isCodebook = shapes.has("quantize.embedding.weight")
      let moments = shapes.dim("encoder.conv_out.weight", 0)
      if moments != (isCodebook ? inner : 2 * inner) {
        shapes.report(
          "encoder.conv_out.weight: expected \(isCodebook ? inner : 2 * inner) rows for z_channels \(inner), found \(moments)"
        )
      }
      configuration = AutoencoderConfiguration(
        form: isCodebook ? .codebook(codes: shapes.dim("quantize.embedding.weight", 0)) : .gaussian,
        inChannels: shapes.dim("encoder.conv_in.weight", 1), outChannels: shapes.dim("decoder.conv_out.weight", 0),
        latentChannels: shapes.dim("post_quant_conv.weight", 1), innerChannels: inner,
        stemChannels: shapes.dim("encoder.conv_in.weight", 0),
        blockOutChannels: (0..<levels).map { shapes.dim("encoder.down.\($0).block.0.conv1.weight", 0) },
        layersPerBlock: shapes.count { "encoder.down.0.block.\($0).conv1.weight" },
        attentionLevels: (0..<levels).filter { shapes.has("encoder.down.\($0).attn.0.q.weight") },
        middleAttends: shapes.has("encoder.mid.attn_1.q.weight"),
        convolutionalResampling: levels == 1 || shapes.has("encoder.down.0.downsample.conv.weight"))
      try shapes.finish()
    }

    /// Compares with what a configuration says, and notes every value.
    func settle(_ resolver: inout HyperparameterResolver, _ settings: FirstStageSettings?) {
      let found = configuration
      var codes: Int?
      if case .codebook(let count) = found.form { codes = count }
      _ = resolver.settle(
        "first stage", inferred: codes == nil ? "AutoencoderKL" : "VQModel", configured: settings?.kind?.rawValue)
      _ = resolver.settle("ch", inferred: found.stemChannels, configured: settings?.channels)
      let multipliers = found.blockOutChannels.map { Double($0) / Double(found.stemChannels) }
      _ = resolver.settle("ch_mult", inferred: multipliers, configured: settings?.multipliers)
      _ = resolver.settle("num_res_blocks", inferred: found.layersPerBlock, configured: settings?.layers)
      _ = resolver.settle("in_channels", inferred: found.inChannels, configured: settings?.inChannels)
      _ = resolver.settle("out_ch", inferred: found.outChannels, configured: settings?.outChannels)
      _ = resolver.settle("z_channels", inferred: found.innerChannels, configured: settings?.innerChannels)
      _ = resolver.settle("double_z", inferred: codes == nil, configured: settings?.doublesChannels)
      _ = resolver.settle("embed_dim", inferred: found.latentChannels, configured: settings?.latentChannels)
      if let codes { _ = resolver.settle("n_embed", inferred: codes, configured: settings?.codes) }
      _ = resolver.settle(
        "attn_type", inferred: found.middleAttends ? "vanilla" : "none", configured: settings?.attentionType?.name)
      if found.blockOutChannels.count > 1 {
        _ = resolver.settle(
          "resamp_with_conv", inferred: found.convolutionalResampling, configured: settings?.resampling)
      }
      if let side = settings?.resolution {
        let resolutions = AttentionResolutions(
          size: SampleSize(height: side, width: side), levels: found.blockOutChannels.count)
        _ = resolver.settle(
          "attn_resolutions", inferred: resolutions.shown(found.attentionLevels),
          configured: settings?.attention.map { resolutions.shown(resolutions.levels(of: $0)) })
      }
    }
  }

  // MARK: Names

  static func layout(_ configuration: AutoencoderConfiguration) -> ModuleLayout {
    let (levels, layers) = (configuration.blockOutChannels.count, configuration.layersPerBlock)
    var modules = DDIMModules(shortcut: "nin_shortcut")
    modules.addDown("encoder.", levels: levels, layers: layers)
    modules.addMiddle("encoder.")
    modules.addMiddle("decoder.")
    modules.addUp("decoder.", levels: levels, layers: layers + 1)
    return ModuleLayout(name: name, places: modules.places)
  }
}
