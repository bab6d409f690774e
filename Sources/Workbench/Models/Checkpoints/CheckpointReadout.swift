import Formats
import Networks

/// A checkpoint that is open, and what its arrays' names and shapes and the configuration beside it say the network is.
struct CheckpointReadout {
  let file: CheckpointFile
  let opened: Checkpoint
  let pipeline: Pipeline
  let reading: CheckpointReading

  /// - Throws: what cannot be read, and whatever neither the arrays nor the configuration nor the options tell.
  init(_ path: String, _ options: ModelOptions) throws {
    file = try CheckpointFile(path, configuration: options.configuration)
    opened = try Checkpoint(path, options.weights)
    pipeline = Pipeline(firstStage: try FirstStageSource(opened, file))
    var settings = options.checkpoint
    settings.size = try settings.size.map(pipeline.sampleSize)
    reading = try CheckpointCatalog.read(
      CheckpointContents(opened.weights, groups: opened.groups), document: file.document(), options: settings)
  }

  var origin: CheckpointOrigin {
    CheckpointOrigin(
      family: reading.family, configuration: file.configuration, hyperparameters: reading.hyperparameters,
      unused: reading.unused)
  }
}
