import Diffusion
import Execution
import Formats
import Networks
import Tensors

/// `predict`: one call of the network, for parity checks and debugging.
package struct PredictCommand: Sendable {
  package var model: String
  package var input: String
  package var out: String
  /// The network to call; nil for the denoiser.
  package var component: FirstStageSide?
  package var executor: ExecutorKind?
  /// Position in the sampler's execution order; needed where quantisers depend on the step.
  package var step: Int?
  package var modelOptions: ModelOptions
  package var threads: Int

  package init(
    model: String, input: String, out: String, component: FirstStageSide? = nil, executor: ExecutorKind?, step: Int?,
    modelOptions: ModelOptions, threads: Int
  ) {
    self.component = component
    self.model = model
    self.input = input
    self.out = out
    self.executor = executor
    self.step = step
    self.modelOptions = modelOptions
    self.threads = threads
  }

  package func run(_ session: Session) throws {
    try OutputPlace.check([out], inputs: session.inputs(of: model, modelOptions, and: [input]))
    if let component { return try predict(component, session) }
    let source = try session.open(model, modelOptions, holding: .packed)
    try refuseIdle(source)
    let arrays = try InputArrays(input)
    arrays.noteUnused(but: "x", "t", "labels", "context", console: session.console)
    let x = try arrays.images("x", shape: source.model.graph.imageShape, console: session.console)
    let timesteps = try arrays.numbers("t", count: x.dims[0], below: Self.timestepLimit(of: source))
      .map(Timestep.init)
    let conditioning = try conditioning(arrays, of: source, count: x.dims[0], session)
    let executor = try source.executor(executor, compute: Compute(threads: threads, batch: x.dims[0]))
    let y = try executor.run(
      NetworkInput(x: x, timesteps: timesteps, conditioning: conditioning, stepIndex: step))
    try NPZ.write(TensorArchive(tensors: ["y": StoredTensor(y)]), to: out)
    let kind = (self.executor ?? source.defaultExecutor).rawValue
    try session.console.result("\(out): y \(y.dims), \(kind) executor")
  }

  /// What the times that the network is given stay below; nil where nothing says the noise schedule.
  private static func timestepLimit(of source: ModelSource) -> Int? {
    guard let schedule = try? source.process.schedule else { return nil }
    return schedule.definition.rescaleTimesteps ? 1000 : schedule.trainTimesteps
  }

  /// Refuses options that a call of this network does not depend on.
  private func refuseIdle(_ source: ModelSource) throws {
    try ModelSourceError.refuse(modelOptions.schedule.given, model, "one call of a network knows no noise schedule")
    if step != nil, source.quantized?.table.dependsOnStep != true {
      try ModelSourceError.refuse(["--step"], model, "it computes the same at every sampling step")
    }
  }

  /// One call of a first stage's network, in its own units: x is what its program gives `decode` or `encode`, y what that returns, of
  /// an encoder its moments.
  private func predict(_ side: FirstStageSide, _ session: Session) throws {
    try ModelSourceError.refuse(step == nil ? [] : ["--step"], model, Self.noTime(side))
    let source = try session.openFirstStage(model, modelOptions)
    let network = try source.network(side)
    let arrays = try InputArrays(input)
    arrays.noteUnused(but: "x", console: session.console)
    var x = try arrays.floats("x", console: session.console)
    let configuration = source.configuration
    let channels = side == .decoder ? configuration.latentChannels : configuration.imageChannels.encoded
    guard x.rank == 4, x.count > 0, x.dims[1] == channels else {
      throw InputArrayError.shape(file: input, name: "x", expected: "N \(channels) H W", found: x.dims)
    }
    var latent = SampleSize(height: x.dims[2], width: x.dims[3])
    if side == .encoder {
      guard let found = configuration.latentSize(of: latent) else {
        throw FirstStageError.size(what: input, size: latent, factor: configuration.factor)
      }
      latent = found
    }
    let compute = try Compute(threads: threads, batch: x.dims[0])
    switch configuration.form {
    case .codebook where side == .decoder: x = network.codebook?.quantized(x, pool: compute.pool) ?? x
    case .bounded(let bound) where side == .decoder: x = x.softlyBounded(by: bound)
    case .gaussian, .codebook, .bounded: break
    }
    let kind = executor ?? (network.table.weights.isEmpty ? .winograd : .integer)
    try kind.check(network.table.weights.isEmpty ? nil : network.table, path: model)
    let y = try kind.executor(for: network.model(latent: latent), table: network.table, compute: compute).executor
      .run(NetworkInput(images: x))
    try NPZ.write(TensorArchive(tensors: ["y": StoredTensor(y)]), to: out)
    try session.console.result("\(out): y \(y.dims), \(side.rawValue), \(kind.rawValue) executor")
  }

  private static func noTime(_ side: FirstStageSide) -> String { "its \(side.rawValue) knows no sampling steps" }
  /// Labels, or the contexts that the network takes, one per image; none for unconditional networks.
  private func conditioning(
    _ arrays: InputArrays, of source: ModelSource, count: Int, _ session: Session
  ) throws -> [Conditioning] {
    let labels = arrays.contains("labels") ? try arrays.labels("labels", count: count) : []
    guard arrays.contains("context") else {
      let named = labels.map { Conditioning(label: $0) }
      guard let embedder = source.embedder else { return named }
      if named.isEmpty { try embedder.form.check(.none) }
      for image in named { try embedder.form.check(image) }
      return named.map(embedder.embedded)
    }
    if !labels.isEmpty {
      throw InputArrayError.value(file: input, name: "context", text: "stands beside labels; give one of them")
    }
    let form = source.model.graph.conditioning.context
    return try arrays.contexts(
      "context", count: count, tokens: form?.tokens, width: form?.width, console: session.console
    )
    .map { Conditioning(context: $0) }
  }
}

/// Which network of a first stage is meant.
package typealias StageSide = FirstStageSide
