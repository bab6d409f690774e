import Diffusion
import Execution
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// A model as a command was given it: a diffusers folder, a U-Net's folder, a checkpoint or a quantised .safetensors file, loaded
/// whole.
package struct ModelSource: Sendable {
  package let path: String
  /// What things made from it are called: `fashion-mnist-ddpm`.
  package let name: String
  /// Identity of network, weights and schedule: `sha256:…`. The container does not matter: a float16 copy of the same
  /// values, or renamed tensors, have the same digest.
  package let digest: String
  /// The network's configuration, every key present.
  package let network: ConfigurationValue
  /// What says the noise schedule, or why nothing does: commands that only call the network need none.
  private let foundSchedule: Result<ModelSchedule, any Error>
  /// Of a quantised model: without the weights that are codes in `quantized.table`.
  package let model: Model
  package let quantized: QuantizedModel?
  /// What turns class labels into the contexts that the network takes; nil where nothing does.
  package let embedder: ClassEmbedder?
  /// The space of a first stage that the network works in; nil for images themselves.
  package let latent: LatentSpace?
  /// How a checkpoint's network was settled; nil for models that describe themselves.
  package let checkpoint: CheckpointOrigin?
  /// What it consists of beside its denoiser.
  package let pipeline: Pipeline
  /// What was chosen while opening it, for the console.
  package let notes: [String]
  /// Bytes of the files that hold the weights.
  package let weightsFileBytes: Int

  /// - Parameter text: a path, or a name under `models/`.
  /// - Parameter holding: where layers' weights of a float model are.
  package static func open(
    _ text: String, _ options: ModelOptions = ModelOptions(), holding: WeightHolding = .memory, assets: Assets
  ) throws -> ModelSource {
    let path = try assets.path(.model, text)
    switch Folder.kind(of: path) {
    case .folder:
      if !ModelFolder.describesNetwork(path), let file = try CheckpointFile.only(in: path) {
        return try ModelSource(checkpoint: file, name: stem(of: path), options, holding)
      }
      return try ModelSource(folder: path, options, holding)
    case .file:
      if try !QuantizedModelFile.isOne(path) {
        return try ModelSource(checkpoint: path, name: stem(of: path), options, holding)
      }
      try options.refuseOfArtefact(path)
      if !options.schedule.given.isEmpty {
        throw ModelSourceError.scheduleOfArtefact(path: path, options: options.schedule.given)
      }
      let source = try ModelSource(artefact: path)
      let made = source.imageShape
      if let size = options.size, size != SampleSize(height: made.height, width: made.width) {
        throw ModelSourceError.otherSize(path: path, made: "\(made.height)x\(made.width)", asked: size.description)
      }
      return source
    case .other, nil: throw ModelSourceError.notAModel(path: path)
    }
  }

  /// - Parameter name: what things made from it are called.
  private init(checkpoint path: String, name: String, _ options: ModelOptions, _ holding: WeightHolding) throws {
    try options.refuseOfFile(path)
    let read = try CheckpointReadout(path, options)
    let (reading, opened) = (read.reading, read.opened)
    let schedule = try Self.schedule(of: read, options: options.schedule)
    let graph = try reading.configuration.graph()
    try read.pipeline.check(sample: graph.imageShape, path: path)
    try Self.checkMemory(of: graph, holding)
    let model = try Model.load(
      graph: graph, from: opened.weights, layout: reading.layout, defers: holding != .memory)
    let network = reading.configuration.encoded
    self.init(
      path: path, name: name,
      digest: try Self.digest(of: model, network: network, schedule: schedule, embedder: reading.conditioner),
      network: network, schedule: schedule, model: model, quantized: nil, embedder: reading.conditioner,
      latent: reading.latent, checkpoint: read.origin, pipeline: read.pipeline, notes: opened.notes + read.file.notes,
      weightsFileBytes: try Self.size(of: opened))
  }

  private init(folder path: String, _ options: ModelOptions, _ holding: WeightHolding) throws {
    let folder = try ModelFolder(path, weights: options.weights)
    try ModelSourceError.refuse(folder.idle(options), path, "a folder with config.json says it itself")
    let pipeline = try folder.pipeline()
    let configuration = try Self.network(folder, size: options.size.map(pipeline.sampleSize))
    let schedule = try Self.schedule(of: folder, path: path, options: options.schedule)
    let opened = try folder.checkpoint()
    let graph = try configuration.graph()
    try pipeline.check(sample: graph.imageShape, path: path)
    try Self.checkMemory(of: graph, holding)
    let table = try folder.classTable?.read(
      unconditional: options.checkpoint.unconditional, variant: options.weights.variant, for: graph.conditioning)
    let model = try Model.load(graph: graph, from: opened.weights, defers: holding != .memory)
    let network = configuration.encoded
    self.init(
      path: path,
      digest: try Self.digest(of: model, network: network, schedule: schedule, embedder: table?.embedder),
      network: network, schedule: schedule, model: model, quantized: nil, embedder: table?.embedder,
      pipeline: pipeline, notes: opened.notes + (table?.notes ?? []) + (pipeline.firstStage?.notes ?? []),
      weightsFileBytes: try Self.size(of: opened))
  }

  /// A model's network with weights drawn from `seed`, for timing. Of a folder only the configurations are read; of a checkpoint the
  /// names and shapes of its arrays, too, which tell what the network is. Weights are normal with variance 1 / fan-in, norms the
  /// identity, biases zero.
  /// - Parameter command: what asks for it, as an error says.
  package static func random(
    _ text: String, _ options: ModelOptions = ModelOptions(), seed: UInt64, for command: String, assets: Assets
  ) throws -> ModelSource {
    let path = try assets.path(.model, text)
    try ModelSourceError.refuse(options.ofWeights + options.ofFolders, path, "its weights are drawn")
    let checkpoint: String?
    switch Folder.kind(of: path) {
    case .folder: checkpoint = ModelFolder.describesNetwork(path) ? nil : try CheckpointFile.only(in: path)
    case .file:
      if try QuantizedModelFile.isOne(path) { throw ModelSourceError.needsFloat(path: path, command: command) }
      checkpoint = path
    case .other, nil: throw ModelSourceError.notAModel(path: path)
    }
    let network: any UNetConfiguration
    let schedule: Result<ModelSchedule, any Error>
    let embedder: ClassEmbedder?
    if let checkpoint {
      let read = try CheckpointReadout(checkpoint, options)
      network = read.reading.configuration
      embedder = read.reading.conditioner
      schedule = try self.schedule(of: read, options: options.schedule)
    } else {
      let folder = try ModelFolder(path)
      try ModelSourceError.refuse(folder.idle(options), path, "a folder with config.json says it itself")
      network = try self.network(folder, size: options.size.map { try folder.pipeline().sampleSize(for: $0) })
      schedule = try self.schedule(of: folder, path: path, options: options.schedule)
      embedder = try folder.classTable?.drawn(seed: seed, for: network.graph().conditioning)
    }
    let graph = try network.graph()
    try checkMemory(of: graph, .memory)
    let model = Model.random(graph: graph, seed: seed)
    return ModelSource(
      path: path, digest: try digest(of: model, network: network.encoded, schedule: schedule, embedder: embedder),
      network: network.encoded, schedule: schedule, model: model, quantized: nil, embedder: embedder,
      weightsFileBytes: 4 * GraphSummary(model.graph).parameterCount)
  }

  /// The network's configuration, for images of `size` where it is given.
  private static func network(_ folder: ModelFolder, size: SampleSize?) throws -> any UNetConfiguration {
    var configuration = try UNetCatalog.decode(JSON.read(folder.configuration), file: folder.configuration)
    if let size { configuration.sampleSize = size }
    // A class is one token.
    if folder.classTable != nil, configuration.contextTokens != nil { configuration.contextTokens = 1 }
    if configuration.sampleSize == nil { throw ModelSourceError.noSize(path: folder.configuration) }
    return configuration
  }

  private static func schedule(
    of folder: ModelFolder, path: String, options: ScheduleOptions
  ) throws -> Result<ModelSchedule, any Error> {
    try schedule(options) {
      guard let schedule = try ModelSchedule.read(file: folder.scheduler, options: options) else {
        throw ModelSourceError.noSchedule(folder: path)
      }
      return schedule
    }
  }

  private static func schedule(
    of read: CheckpointReadout, options: ScheduleOptions
  ) throws -> Result<ModelSchedule, any Error> {
    try schedule(options) {
      let stated = read.reading.process.value
      let found = try ModelSchedule.read(
        file: stated == nil ? nil : read.file.configuration, stating: stated, options: options)
      guard let found else { throw read.reading.process.problem ?? ModelSourceError.noSchedule(folder: read.file.path) }
      return found
    }
  }

  /// - Throws: what is wrong with a schedule that options ask for; what is wrong with the model's own is kept until a command
  ///   needs it.
  private static func schedule(
    _ options: ScheduleOptions, read: () throws -> ModelSchedule
  ) throws -> Result<ModelSchedule, any Error> {
    let found = Result(catching: read)
    if !options.given.isEmpty { _ = try found.get() }
    return found
  }

  /// - Throws: when nothing says the noise schedule, or what says it is refused.
  package var schedule: ModelSchedule { get throws { try foundSchedule.get() } }

  /// - Throws: as `schedule`.
  package var process: DiffusionProcess { get throws { try schedule.process } }

  private init(artefact path: String) throws {
    try self.init(
      artefact: QuantizedModelFile.read(path), path: path, digest: "sha256:" + (try Digest.sha256(file: path)),
      weightsFileBytes: try Self.size(of: path))
  }

  /// A quantised model as its file says it. - Parameter path: what messages name.
  package init(artefact quantized: QuantizedModel, path: String, digest: String, weightsFileBytes: Int) throws {
    let network = try UNetCatalog.decode(quantized.network, file: path)
    let reader = ConfigurationReader(quantized.process, file: path)
    let process = DiffusionProcess(reading: reader)
    try reader.finish()
    guard let process else { preconditionFailure("a process that was not read left no problem") }
    let size = quantized.sampleShape.map { SampleSize(height: $0.height, width: $0.width) }
    let model = try quantized.model(graph: network.graph(size: size), file: path)
    let pipeline = Pipeline(firstStage: try FirstStageSource(quantized, path: path))
    try pipeline.check(sample: model.graph.imageShape, path: path)
    self.init(
      path: path, digest: digest, network: quantized.network, schedule: .success(ModelSchedule(process)),
      model: model, quantized: quantized,
      latent: quantized.latentScale.map { LatentSpace(scale: $0, firstStage: nil) }, pipeline: pipeline,
      weightsFileBytes: weightsFileBytes)
  }

  /// A quantised model in memory. - Parameter name: stands for a path.
  package init(_ quantized: QuantizedModel, name: String, process: DiffusionProcess, graph: Graph) throws {
    self.init(
      path: name, digest: name, network: quantized.network, schedule: .success(ModelSchedule(process)),
      model: try quantized.model(graph: graph, file: name), quantized: quantized,
      pipeline: Pipeline(firstStage: try FirstStageSource(quantized, path: name)),
      weightsFileBytes: QuantizedModelFile.arrayBytes(of: quantized))
  }

  private init(
    path: String, name: String? = nil, digest: String, network: ConfigurationValue,
    schedule: Result<ModelSchedule, any Error>, model: Model, quantized: QuantizedModel?,
    embedder: ClassEmbedder? = nil, latent: LatentSpace? = nil, checkpoint: CheckpointOrigin? = nil,
    pipeline: Pipeline = .denoiserAlone, notes: [String] = [], weightsFileBytes: Int
  ) {
    self.path = path
    self.name = name ?? stem(of: path)
    self.digest = digest
    self.network = network
    foundSchedule = schedule
    self.model = model
    self.quantized = quantized
    self.embedder = embedder ?? quantized?.conditioner
    self.latent = latent
    self.checkpoint = checkpoint
    self.pipeline = pipeline
    self.notes = notes
    self.weightsFileBytes = weightsFileBytes
  }

  private static func size(of checkpoint: Checkpoint) throws -> Int {
    try checkpoint.file.paths.reduce(0) { try $0 + size(of: $1) }
  }

  private static func checkMemory(of graph: Graph, _ holding: WeightHolding) throws(MemoryError) {
    let count = GraphSummary(graph).parameterCount
    try MemoryBudget.require(
      MemoryBudget.product(holding.bytesPerParameter, count), for: "a network of \(count) parameters")
  }

  private static func size(of file: String) throws -> Int { try InputFile(file).size }

  private static func digest(
    of model: Model, network: ConfigurationValue, schedule: Result<ModelSchedule, any Error>,
    embedder: ClassEmbedder? = nil
  ) throws -> String {
    let process = (try? schedule.get())?.process.configuration ?? .null
    var header: [ConfigurationValue.Entry] = [.init("network", network), .init("process", process)]
    var arrays = Array(model.parameters.keys) + (model.deferred?.names ?? [])
    if let embedder {
      header.append(.init("unconditional", embedder.unconditional.map { .integer($0) } ?? .null))
      arrays.append(Self.classTable)
    }
    return try ModelDigest.of(.map(header), arrays) { name in
      let table = name == Self.classTable ? embedder?.table : nil
      return try (table ?? model.parameter(name)).map { StoredTensor($0) }
    }
  }

  /// What a digest calls the class table.
  private static let classTable = "conditioner/embedding"

  /// The scale of latents, where there is no first stage to know it.
  var scaleOfBareLatents: Double? { pipeline.firstStage == nil ? latent?.scale : nil }

  /// What drawing gives: the decoder's images, or samples where there is no decoder.
  package var imageShape: ImageShape { pipeline.imageShape(of: model.graph.imageShape) }

  /// Bytes of the weights that drawing images takes: the files', or, where the files of a latent model hold more, its denoiser's and its
  /// decoder's.
  package var drawingBytes: Int {
    get throws {
      guard quantized == nil, let decoder = try pipeline.firstStage?.network(.decoder) else { return weightsFileBytes }
      return 4 * (GraphSummary(model.graph).parameterCount + decoder.valueCount + (embedder?.table.count ?? 0))
    }
  }

  // MARK: Running it

  /// What images of the model are conditioned on.
  package var conditioning: ConditioningForm { embedder?.form ?? model.graph.conditioning }

  /// Winograd's rounding errors are no larger than those of direct sums in whole networks (docs/performance.md).
  /// Where no activation is quantised, nothing would run on codes: such weights run in Float like a float model's.
  package var defaultExecutor: ExecutorKind {
    quantized?.table.activations.isEmpty ?? true ? .winograd : .integer
  }

  /// Throws where the executor cannot run this model, before anything is made for it.
  package func check(_ kind: ExecutorKind) throws(ModelSourceError) {
    try kind.check(quantized?.table, path: path)
  }

  /// - Parameters:
  ///   - kind: nil for the default: integer for models with quantised activations, winograd for the others.
  ///   - observer: watches a float model's executor.
  package func executor(
    _ kind: ExecutorKind? = nil, compute: Compute, observer: SiteObserver? = nil
  ) throws -> any Executor {
    let kind = kind ?? defaultExecutor
    try check(kind)
    return try kind.executor(
      for: model, table: quantized?.table ?? QuantizationTable(), compute: compute, observer: observer
    ).executor
  }

  /// The model as samplers see it, guided where `guidance` says so.
  /// - Parameters: as of `denoiser(_:compute:observer:)`.
  func denoiser(
    _ kind: ExecutorKind? = nil, guidance: GuidanceSetting?, compute: Compute, observer: SiteObserver? = nil
  ) throws -> any Denoiser {
    let denoiser = try denoiser(kind, compute: compute, observer: observer)
    guard let guidance = guidance?.guidance(of: conditioning) else { return denoiser }
    return try GuidedDenoiser(denoiser, guidance)
  }

  /// - Parameters: as of `executor`.
  /// - Throws: for a network that looks at contexts which nothing here makes.
  package func denoiser(
    _ kind: ExecutorKind? = nil, compute: Compute, observer: SiteObserver? = nil
  ) throws -> any Denoiser {
    if let context = conditioning.context {
      throw ModelSourceError.noContext(path: path, tokens: context.tokens, width: context.width)
    }
    let outputChannels = model.graph.nodes[model.graph.output].dims.first
    let network = try NetworkDenoiser(
      graph: model.graph, executor: executor(kind, compute: compute, observer: observer),
      predictionType: process.predictionType,
      learnsVariance: outputChannels == 2 * model.graph.imageShape.channels, embedder: embedder)
    guard let correction = quantized?.correction else { return network }
    return CorrectedDenoiser(network, correction)
  }

  /// Refuses a pair that cannot be compared: this must be the float model and `other` a model quantised from it.
  package func checkPair(with other: ModelSource) throws(ModelSourceError) {
    if quantized != nil { throw .needsFloat(path: path, command: "compare") }
    guard let artefact = other.quantized else { throw .needsQuantized(path: other.path, command: "compare") }
    if artefact.lineage.sourceDigest != digest {
      throw .otherSource(path: other.path, madeFrom: artefact.lineage.sourceDigest, float: path, found: digest)
    }
  }
}
