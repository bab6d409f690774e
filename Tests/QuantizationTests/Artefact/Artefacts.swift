import Execution
import Formats
import Quantization
import Tensors

extension TinyModel {
  /// The artefact of a network, with a self-test by the reference executor.
  func artefact(_ recipe: Recipe, _ set: CalibrationSet, _ network: QuantizedNetwork) throws -> QuantizedModel {
    let samples = set.samples(step: 1, 0..<1)
    let expected = try ReferenceExecutor(network.model, simulating: network.table).run(
      NetworkInput(
        x: samples.x, timesteps: [set.provenance.steps[1].timestep], conditioning: samples.conditioning, stepIndex: 1))
    return QuantizedModel(
      network: configuration.encoded, sampleShape: model.graph.imageShape, process: Self.process.configuration,
      recipe: recipe,
      sampler: set.provenance.sampler, steps: set.provenance.steps, table: network.table,
      parameters: try QuantizedModel.floatParameters(of: network),
      lineage: .init(
        sourceDigest: Self.digest, sourceName: "tiny", calibrationDigest: set.digest, calibration: set.provenance,
        program: "test"), correction: network.correction,
      selfTest: .init(x: samples.x, stepIndex: 1, conditioning: samples.conditioning, expected: expected))
  }
}

extension QuantizedModel {
  /// The file's content as Workbench writes it.
  func archive() -> TensorArchive {
    let (tensors, header) = encode()
    return TensorArchive(tensors: tensors, metadata: [Self.metadataKey: JSONWriter.compact(header)])
  }
}
