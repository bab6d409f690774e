import Diffusion
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// Which networks of a model `bench` times.
package enum BenchmarkComponent: String, Sendable, CaseIterable { case denoiser, decoder }

/// The networks that a benchmark compares: the float one in its arithmetics, and quantised ones.
struct BenchmarkSubjects {
  let name: String
  let variants: [BenchmarkVariant]
  /// The float denoiser, of which gradients can be timed; nil for a decoder.
  let denoiser: ModelSource?

  // MARK: Denoisers

  /// - Parameters: floats: what the float network runs in; quantized: recipes, or files that `quantize` made; threads: of quantising.
  init(
    denoiser float: ModelSource, in floats: [ExecutorKind], quantized: [String], threads: Int, session: Session
  ) throws {
    if float.quantized != nil { throw ModelSourceError.needsFloat(path: float.path, command: "bench") }
    session.console.notes((try? float.schedule.notes) ?? [])
    var variants = try floats.map { try BenchmarkVariant(name: $0.rawValue, source: float, executor: $0) }
    for text in quantized { variants.append(try Self.variant(text, of: float, threads: threads, session)) }
    name = float.name
    denoiser = float
    self.variants = variants
  }

  private static func isFile(_ text: String) -> Bool { text.hasSuffix(".safetensors") }

  private static func variant(
    _ text: String, of float: ModelSource, threads: Int, _ session: Session
  ) throws -> BenchmarkVariant {
    if isFile(text) {
      let source = try session.open(text)
      try float.checkPair(with: source)
      return try BenchmarkVariant(name: source.name, source: source)
    }
    // Speed does not depend on how good ranges and codes are, so the set is as small as the recipe allows.
    var prepared = try PreparedRecipe(text, for: float, assets: session.assets)
    var recipe = prepared.recipe
    recipe.calibration.trajectories = max(1, recipe.activations?.average?.batch ?? 1)
    recipe.reconstruction = nil
    prepared = try PreparedRecipe(name: prepared.name, recipe, for: float, assets: session.assets)
    let compute = try Compute(threads: threads, batch: 16)
    session.console.note(
      "quantising by \(prepared.name) on \(recipe.calibration.trajectories) trajectories, for its speed only")
    let calibrating = try CalibrationRun(source: float, prepared: prepared, compute: compute)
    let gatherer = try calibrating.gatherer()
    let set = try calibrating.makeInMemory(gathering: gatherer, session: session)
    let quantized = try Quantizer(source: float, prepared: prepared, compute: compute).quantized(
      set: set, gathered: gatherer, name: prepared.name, session: session)
    return try BenchmarkVariant(
      name: prepared.name,
      source: try ModelSource(quantized, name: prepared.name, process: try float.process, graph: float.model.graph))
  }

  // MARK: Decoders

  /// - Parameters: floats: what the float network runs in; quantized: decoders' recipes, or files that `quantize` made; size: of images, nil for latents of the standard tile.
  init(
    decoderOf firstStage: FirstStageSource, in floats: [ExecutorKind], quantized: [String], size: SampleSize?,
    threads: Int,
    session: Session
  ) throws {
    let latent = try firstStage.latentSize(ofImages: size)
    let float = try firstStage.network(.decoder)
    if !float.table.weights.isEmpty { throw ModelSourceError.needsFloat(path: firstStage.path, command: "bench") }
    var variants = try floats.map {
      try BenchmarkVariant(name: $0.rawValue, decoder: float, latent: latent, executor: $0)
    }
    let compute = try Compute(threads: threads, batch: 1)
    for text in quantized {
      if Self.isFile(text) {
        let other = try FirstStageSource.open(text, ModelOptions(), assets: session.assets).network(.decoder)
        variants.append(try BenchmarkVariant(name: stem(of: text), decoder: other, latent: latent))
        continue
      }
      let named = try NamedRecipe(decoder: text, assets: session.assets)
      session.console.note("quantising the decoder by \(named.name) on noise, for its speed only")
      let shape = ImageShape(channels: float.configuration.latentChannels, height: latent.height, width: latent.width)
      let made = try FirstStageQuantization(
        float, recipe: named.recipe, name: named.name, latent: latent, compute: compute
      ).make(
        on: NoiseSource(seed: 0, stream: .recipe).normals(images: [0], shape: shape, draw: .initial),
        sampler: .null, folder: nil, session: session)
      variants.append(try BenchmarkVariant(name: named.name, decoder: made, latent: latent))
    }
    name = stem(of: firstStage.path)
    denoiser = nil
    self.variants = variants
  }
}
