import Formats
import Networks
import Tensors

/// What the user says of a float model beside its path.
package struct ModelOptions: Sendable {
  package var schedule: ScheduleOptions
  /// A checkpoint's configuration, instead of one beside it.
  package var configuration: String?
  package var checkpoint: CheckpointOptions
  /// Which of several sets of weights.
  package var weights: Checkpoint.Options

  package init(
    schedule: ScheduleOptions = ScheduleOptions(), configuration: String? = nil, size: SizeArgument? = nil,
    heads: Int? = nil, headChannels: Int? = nil, qkvOrder: CheckpointQKVOrder? = nil,
    unconditional: UnconditionalArgument? = nil, weights: Checkpoint.Options = Checkpoint.Options()
  ) {
    self.schedule = schedule
    self.configuration = configuration
    self.weights = weights
    checkpoint = CheckpointOptions(
      size: size?.size, heads: heads, headChannels: headChannels, qkvOrder: qkvOrder, unconditional: unconditional)
  }

  /// Of images; nil: the model's own.
  var size: SampleSize? { checkpoint.size }

  /// The options that were given, as on the command line.
  package var given: [String] {
    schedule.given + ofCheckpoints + (size == nil ? [] : ["--size"]) + ofWeights + ofFolders
  }

  /// Those that choose among several sets of weights.
  var ofWeights: [String] { weights.weights == nil ? [] : ["--weights"] }

  /// Those that choose among several files of a folder.
  var ofFolders: [String] { weights.variant == nil ? [] : ["--variant"] }

  /// Refuses what a quantised model says itself.
  func refuseOfArtefact(_ path: String) throws(ModelSourceError) {
    try ModelSourceError.refuse(ofCheckpoints + ofWeights + ofFolders, path, "a quantised model says it itself")
  }

  /// Refuses what chooses among files, where there is one.
  func refuseOfFile(_ path: String) throws(ModelSourceError) {
    try ModelSourceError.refuse(ofFolders, path, "it is one file, and a variant is one of several")
  }

  /// The options that concern checkpoints only, as on the command line.
  var ofCheckpoints: [String] { (configuration == nil ? [] : ["--config"]) + checkpoint.said.filter { $0 != "--size" } }
}

/// How a checkpoint's fused attention layers order queries, keys and values.
package typealias CheckpointQKVOrder = QKVOrder
/// Which row of a checkpoint's table of classes stands for no class.
package typealias UnconditionalArgument = UnconditionalRow

/// Height and width as the command line takes them: `HxW`.
package struct SizeArgument: Sendable {
  package let size: SampleSize

  package init?(_ text: String) {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let height = sides[0], let width = sides[1], (1...16384).contains(height),
      (1...16384).contains(width)
    else { return nil }
    size = SampleSize(height: height, width: width)
  }
}

extension Session {
  /// What a command reads that is told of a model by path or name: the model, what the options about it name, and other files.
  func inputs(of model: String, _ options: ModelOptions, and others: [String?] = []) -> [String] {
    let named = [assets.place(.model, model), options.configuration, options.schedule.file]
    return (named + others).compactMap(\.self)
  }

  /// The model called `text`, and on the console what was chosen while opening it.
  /// - Parameter holding: where layers' weights of a float model are.
  package func open(
    _ text: String, _ options: ModelOptions = ModelOptions(), holding: WeightHolding = .memory
  ) throws -> ModelSource {
    let source = try ModelSource.open(text, options, holding: holding, assets: assets)
    console.notes(source.notes)
    return source
  }
}
