import Formats
import Networks
import Quantization
import Synchronization
import Tensors

/// The first stage of a model as it was found: its configuration. Weights are read when one of its networks is asked for.
package struct FirstStageSource: Sendable {
  /// What messages call it.
  package let path: String
  /// What reports call its kind.
  package let family: String
  package let configuration: any FirstStageConfiguration
  /// How a checkpoint's networks were settled; nil where a configuration describes them.
  package let checkpoint: CheckpointOrigin?
  /// What was chosen while opening it, for the console.
  package let notes: [String]
  private let storage: Storage
  private let loaded = Loaded()

  private enum Storage {
    case weights(any WeightSource, any WeightLayout)
    /// A configuration alone.
    case nothing
    /// Of an artefact: networks by side.
    case components([FirstStageSide: QuantizedModel.Component])
  }

  /// Networks that have been read, so that several plans of a command share them.
  private final class Loaded: Sendable {
    let networks = Mutex<[FirstStageSide: FirstStageNetwork]>([:])
  }

  // MARK: Opening

  /// Of a folder with config.json: a diffusers autoencoder's.
  package init(folder: String, variant: String?) throws {
    let file = joined(folder, "config.json")
    configuration = try FirstStageCatalog.decode(JSON.read(file), file: file)
    let opened = try Checkpoint(folder, Checkpoint.Options(variant: variant))
    path = folder
    family = type(of: configuration).className
    storage = .weights(opened.weights, DiffusersLayout())
    checkpoint = nil
    notes = opened.notes
  }

  /// The configuration of a folder whose weights are not looked at: what speed depends on.
  package static func unread(_ text: String, assets: Assets) throws -> FirstStageSource {
    let path = try assets.path(.model, text)
    guard let folder = try PipelineFolder(path)?.firstStage ?? PipelineFolder.ownFirstStage(path) else {
      throw FirstStageError.missing(path: path, side: nil, holds: "no config.json of a first stage")
    }
    let file = joined(folder, "config.json")
    return FirstStageSource(path: folder, configuration: try FirstStageCatalog.decode(JSON.read(file), file: file))
  }

  private init(path: String, configuration: any FirstStageConfiguration) {
    self.path = path
    self.configuration = configuration
    family = type(of: configuration).className
    storage = .nothing
    checkpoint = nil
    notes = []
  }

  /// Of a checkpoint: the first stage beside a denoiser, or by itself. nil where it has none.
  init?(_ opened: Checkpoint, _ file: CheckpointFile) throws {
    let group = opened.groups["first_stage_model"]
    guard let weights: any WeightSource = group ?? (FirstStageCheckpoint.isOne(opened.weights) ? opened.weights : nil)
    else { return nil }
    let buffers = opened.groups["buffers"]
    let factor = try buffers.flatMap { buffers in
      try buffers.entry("scale_factor").map { _ in try buffers.read("scale_factor").doubles() }
    }
    let reading = try FirstStageCheckpoint.read(
      weights, document: file.document(), scaleFactor: factor?.first, isAlone: group == nil)
    path = weights.label
    family = reading.family
    configuration = reading.configuration
    storage = .weights(weights, reading.layout)
    checkpoint = CheckpointOrigin(
      family: reading.family, configuration: file.configuration, hyperparameters: reading.hyperparameters,
      unused: reading.unused)
    notes = opened.notes + file.notes
  }

  /// Of an artefact; nil where it has none.
  init?(_ quantized: QuantizedModel, path: String) throws {
    var networks: [FirstStageSide: QuantizedModel.Component] = [:]
    for side in FirstStageSide.allCases { networks[side] = quantized.components[side.rawValue] }
    guard let any = networks[.decoder] ?? networks[.encoder] else { return nil }
    configuration = try FirstStageCatalog.decode(any.network, file: path)
    self.path = path
    family = type(of: configuration).className
    storage = .components(networks)
    checkpoint = nil
    notes = []
  }

  /// A first stage by itself: a folder whose config.json is one's, or a checkpoint that holds nothing else. nil for everything else.
  package static func alone(_ text: String, _ options: ModelOptions) throws -> FirstStageSource? {
    switch Folder.kind(of: text) {
    case .folder:
      if try PipelineFolder.ownFirstStage(text) == nil {
        guard !ModelFolder.describesNetwork(text), let file = try CheckpointFile.only(in: text) else { return nil }
        return try alone(file, options)
      }
    case .file:
      let kinds: [ContainerKind] = [.safetensors, .torchZip, .torchLegacy]
      guard try kinds.contains(ContainerKind(text)), try !QuantizedModelFile.isOne(text) else { return nil }
      let opened = try Checkpoint(text, options.weights)
      guard opened.groups["first_stage_model"] == nil, FirstStageCheckpoint.isOne(opened.weights) else { return nil }
      try refuseIdle(options, text, .file)
      return try FirstStageSource(opened, CheckpointFile(text, configuration: options.configuration))
    case .other, nil: return nil
    }
    try refuseIdle(options, text, .folder)
    return try FirstStageSource(folder: text, variant: options.weights.variant)
  }

  private enum Form { case folder, file, artefact }

  /// Refuses options that mean nothing for a first stage of a form.
  private static func refuseIdle(_ options: ModelOptions, _ path: String, _ form: Form) throws {
    try ModelSourceError.refuse(options.schedule.given, path, "its networks know no noise schedule")
    switch form {
    case .folder:
      try ModelSourceError.refuse(
        options.ofCheckpoints + options.ofWeights, path,
        "its config.json describes it, and it has one set of weights")
    case .file: try options.refuseOfFile(path)
    case .artefact: try options.refuseOfArtefact(path)
    }
  }

  /// The first stage of the model called `text`, whose denoiser is not looked at: a path, or a name under `models/`.
  /// - Throws: `E-MODEL-COMPONENT` where there is none.
  package static func open(_ text: String, _ options: ModelOptions, assets: Assets) throws -> FirstStageSource {
    let path = try assets.path(.model, text)
    let found: FirstStageSource?
    switch Folder.kind(of: path) {
    case .folder:
      if let folder = try PipelineFolder(path)?.firstStage ?? PipelineFolder.ownFirstStage(path) {
        try refuseIdle(options, folder, .folder)
        found = try FirstStageSource(folder: folder, variant: options.weights.variant)
      } else if let file = try CheckpointFile.only(in: path) {
        found = try of(checkpoint: file, options)
      } else {
        found = nil
      }
    case .file:
      if try QuantizedModelFile.isOne(path) {
        try refuseIdle(options, path, .artefact)
        found = try FirstStageSource(QuantizedModelFile.read(path), path: path)
      } else {
        found = try of(checkpoint: path, options)
      }
    case .other, nil: throw ModelSourceError.notAModel(path: path)
    }
    guard let found else {
      throw FirstStageError.missing(path: path, side: nil, holds: "a denoiser alone")
    }
    return found
  }

  private static func of(checkpoint path: String, _ options: ModelOptions) throws -> FirstStageSource? {
    try refuseIdle(options, path, .file)
    return try FirstStageSource(
      Checkpoint(path, options.weights), CheckpointFile(path, configuration: options.configuration))
  }

  // MARK: What it has

  /// Height and width of the latents of images of a size; of the standard tile where none is given.
  /// - Throws: when they are no whole numbers.
  func latentSize(ofImages size: SampleSize?) throws(FirstStageError) -> SampleSize {
    guard let size else { return SampleSize(height: TileArgument.standard, width: TileArgument.standard) }
    guard let latent = configuration.latentSize(of: size) else {
      throw .size(what: "--size", size: size, factor: configuration.factor)
    }
    return latent
  }

  package var sides: [FirstStageSide] {
    switch storage {
    case .weights, .nothing: FirstStageSide.allCases
    case .components(let networks): FirstStageSide.allCases.filter { networks[$0] != nil }
    }
  }

  /// The network of one side with its weights.
  /// - Throws: `E-MODEL-COMPONENT` where an artefact does not hold it; what is wrong with the weights.
  package func network(_ side: FirstStageSide) throws -> FirstStageNetwork {
    if let known = loaded.networks.withLock({ $0[side] }) { return known }
    let network: FirstStageNetwork
    switch storage {
    case .weights(let weights, let layout):
      network = try FirstStageNetwork(side, configuration, weights, layout)
    case .nothing: network = try FirstStageNetwork(random: side, configuration, seed: 0)
    case .components(let networks):
      guard let component = networks[side] else {
        let holds = sides.map { "the \($0.rawValue)" }.joined(separator: " and ")
        throw FirstStageError.missing(path: path, side: side, holds: holds)
      }
      network = try FirstStageNetwork(side, configuration, component, file: path)
    }
    loaded.networks.withLock { $0[side] = network }
    return network
  }

  /// What runs its networks unless something else is asked for: exact arithmetic of an artefact, whose images are the same on every
  /// instruction set.
  package var defaultExecutor: ExecutorKind {
    switch storage {
    case .weights, .nothing: .winograd
    case .components: .integer
    }
  }
}

extension Session {
  /// The first stage of the model called `text`, and on the console what was chosen while opening it.
  package func openFirstStage(_ text: String, _ options: ModelOptions) throws -> FirstStageSource {
    let source = try FirstStageSource.open(text, options, assets: assets)
    console.notes(source.notes)
    return source
  }
}
