import Diffusion
import Evaluation
import Execution
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// Makes a quantised model from a float model, a recipe and a calibration set.
package struct Quantizer {
  package let source: ModelSource
  package let prepared: PreparedRecipe
  package let compute: Compute
  /// What quantises the decoder, too; nil: it goes along as it is.
  package let decoder: DecoderQuantizer?
  /// Whether finished regions are kept beside the output until it stands.
  private let keepsProgress: Bool

  package init(
    source: ModelSource, prepared: PreparedRecipe, compute: Compute, decoder: DecoderQuantizer? = nil,
    keepsProgress: Bool = true
  ) {
    self.keepsProgress = keepsProgress
    self.source = source
    self.prepared = prepared
    self.compute = compute
    self.decoder = decoder
  }

  /// What was made.
  package struct Made {
    package let model: QuantizedModel
    /// Of the decoder's images; nil where the decoder goes along as it is.
    package let decoderQuality: PairedQuality?
  }

  /// Whether `path` holds exactly what `make` would write from `set`, so that making it again can be spared.
  package func isDone(_ path: String, set: any CalibrationSource) -> Bool {
    guard let found = try? QuantizedModelFile.read(path) else { return false }
    let same =
      decoder.map { found.components[Self.decoderName]?.origin == $0.origin }
      ?? (found.components == (try? source.pipeline.components(for: source.model.graph.imageShape)))
    return same && found.recipe == prepared.recipe && found.steps == prepared.steps && found.lineage == lineage(set)
  }

  private static let decoderName = FirstStageSide.decoder.rawValue

  /// - Throws: `Stopped` after a stop signal; `path` appears only when it is complete.
  /// - Parameters:
  ///   - set: nil where the recipe leaves the denoiser float.
  ///   - gathered: ranges gathered while `set` was drawn.
  ///   - companion: writes what belongs beside the model, given the digest of its file. It runs before the file gets its name:
  ///     where a finished model stands, everything that belongs to it stands too.
  package func make(
    _ path: String, set: (any CalibrationSource)?, gathered: TrajectoryRanges? = nil, session: Session,
    companion: (_ digest: String) throws -> Void = { _ in }
  ) throws -> Made {
    let folder = kept(path, set: set, session: session)
    let network = try network(
      set: set, gathered, session: session, journal: folder, folder: parentFolder(of: path))
    let decoded = try decoder?.make(folder: parentFolder(of: path), session: session)
    let quantized = try artefact(of: network, decoder: decoded?.component, set: set, name: path)
    try QuantizedModelFile.write(quantized, to: path) { found, temporary in
      if let test = found.selfTest, try selfTest(of: found, path: path)?.expected != test.expected {
        throw QuantizationError.writtenDiffers(file: path, what: "its self-test fails")
      }
      try writeSensitivities(of: network, beside: path, session: session)
      try companion(Digest.sha256(file: temporary))
    }
    try folder?.remove()
    return Made(model: quantized, decoderQuality: decoded?.quality)
  }

  /// Removes what a run that was stopped behind the last step of `make` left beside the finished model.
  package func clean(_ path: String, set: (any CalibrationSource)?, session: Session) throws {
    try kept(path, set: set, session: session)?.remove()
  }

  /// The folder of what is finished; nil where nothing is kept.
  private func kept(_ path: String, set: (any CalibrationSource)?, session: Session) -> ReconstructionFolder? {
    guard keepsProgress else { return nil }
    let console = session.console
    return ReconstructionFolder(
      beside: path, recipe: prepared.recipe, lineage: lineage(set), note: { console.note($0) })
  }

  private func writeSensitivities(of network: QuantizedNetwork, beside path: String, session: Session) throws {
    if network.sensitivities.isEmpty { return }
    let report = SensitivityReport(network, graph: source.model.graph)
    let base = joined(parentFolder(of: path), stem(of: path) + ".sensitivity")
    try AtomicFile.write(report.table.markdown + "\n\n" + report.legend + "\n", to: base + ".md")
    try AtomicFile.write(JSONWriter.pretty(report.value), to: base + ".json")
    session.console.note("why layers have the widths they have: \(base).md")
  }

  /// The model in memory, its decoder as it is. - Parameter name: what errors call it.
  /// - Parameter gathered: as of `make`.
  package func quantized(
    set: any CalibrationSource, gathered: TrajectoryRanges? = nil, name: String, session: Session
  ) throws -> QuantizedModel {
    try artefact(
      of: network(set: set, gathered, session: session, journal: nil, folder: nil), decoder: nil, set: set, name: name)
  }

  /// - Parameters: journal: where finished regions are remembered; folder: where values lie that memory does not hold.
  private func network(
    set: (any CalibrationSource)?, _ gathered: TrajectoryRanges?, session: Session,
    journal: (any ReconstructionJournal)?, folder: String?
  ) throws -> QuantizedNetwork {
    guard let set else { return QuantizedNetwork(model: source.model) }
    try OpenBLAS.requireMemory(threads: compute.pool.threads)
    let reporter = WorkReporter(session)
    let task = try QuantizationTask(
      model: source.model, recipe: prepared.recipe, set: seen(set),
      // As images are drawn: ranges gathered meanwhile are those of a pass.
      makeExecutor: compute.simulating, pool: compute.pool, progress: reporter.report, journal: journal, folder: folder,
      gathered: gathered, note: { session.console.note($0) })
    let network = try task.run()
    reporter.finish()
    return network
  }

  /// The set as the network meets it: both branches of guidance, and contexts in the place of classes.
  private func seen(_ set: any CalibrationSource) -> any CalibrationSource {
    var seen = set
    if let guidance = set.provenance.guidance?.guidance(of: set.provenance.conditioning) {
      seen = GuidedSet(seen, unconditional: guidance.unconditional)
    }
    return source.embedder.map { EmbeddedSet(seen, $0) } ?? seen
  }

  private func artefact(
    of network: QuantizedNetwork, decoder: QuantizedModel.Component?, set: (any CalibrationSource)?, name: String
  ) throws -> QuantizedModel {
    var quantized = QuantizedModel(
      network: source.network, sampleShape: source.model.graph.imageShape, process: try source.process.configuration,
      recipe: prepared.recipe,
      sampler: prepared.sampler.configuration, steps: prepared.steps, table: network.table,
      parameters: try QuantizedModel.floatParameters(of: network), lineage: lineage(set),
      correction: network.correction,
      conditioner: source.embedder, latentScale: source.scaleOfBareLatents)
    quantized.components =
      try decoder.map { [Self.decoderName: $0] } ?? source.pipeline.components(for: source.model.graph.imageShape)
    quantized.selfTest = try selfTest(of: quantized, path: name)
    return quantized
  }

  private func lineage(_ set: (any CalibrationSource)?) -> QuantizedModel.Lineage {
    QuantizedModel.Lineage(
      sourceDigest: source.digest, sourceName: source.name, calibrationDigest: set?.digest,
      calibration: set?.provenance, program: "halftone \(halftoneVersion)")
  }

  /// One call in integers at the middle step, on noise of its own stream; nil for tables that integers cannot execute.
  private func selfTest(of quantized: QuantizedModel, path: String) throws -> QuantizedModel.SelfTest? {
    let model = try quantized.model(graph: source.model.graph, file: path)
    let executor: IntegerExecutor
    do {
      executor = try IntegerExecutor(model, table: quantized.table, pool: compute.pool, kernels: compute.kernels)
    } catch ExecutionError.unsupported {
      return nil
    }
    let step = prepared.steps[prepared.steps.count / 2]
    let x = NoiseSource(seed: 0, stream: .recipe).normals(images: [0], shape: model.graph.imageShape, draw: .initial)
    let form = quantized.conditioner?.form ?? model.graph.conditioning
    // Contexts that nothing makes are not stored: every self-test takes the same example.
    let conditioning = form == .unconditional || form.context != nil ? [] : [form.example()]
    var test = QuantizedModel.SelfTest(x: x, stepIndex: step.index, conditioning: conditioning, expected: x)
    test.expected = try executor.run(
      NetworkInput(
        x: x, at: step, conditioning: quantized.selfTestConditioning(test, graph: model.graph)))
    return test
  }
}
