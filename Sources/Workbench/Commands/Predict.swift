import Diffusion
import Execution
import Formats
import Tensors

/// `predict`: one call of the network, for parity checks and debugging.
package struct PredictCommand: Sendable {
  package var model: String
  package var input: String
  package var out: String
  package var executor: ExecutorKind?
  /// Position in the sampler's execution order; needed where quantisers depend on the step.
  package var step: Int?
  package var modelOptions: ModelOptions
  package var threads: Int

  package init(
    model: String, input: String, out: String, executor: ExecutorKind?, step: Int?, modelOptions: ModelOptions,
    threads: Int
  ) {
    self.model = model
    self.input = input
    self.out = out
    self.executor = executor
    self.step = step
    self.modelOptions = modelOptions
    self.threads = threads
  }

  package func run(_ session: Session) throws {
    try AtomicFile.checkTarget(out)
    let source = try session.open(model, modelOptions)
    let arrays = try InputArrays(input)
    arrays.noteUnused(but: "x", "t", "labels", "context", console: session.console)
    let x = try arrays.images("x", shape: source.model.graph.imageShape, console: session.console)
    let timesteps = try arrays.numbers("t", count: x.dims[0]).map(Timestep.init)
    let conditioning = try conditioning(arrays, of: source, count: x.dims[0], session)
    let executor = try source.executor(executor, compute: Compute(threads: threads, batch: x.dims[0]))
    let y = try executor.run(
      NetworkInput(x: x, timesteps: timesteps, conditioning: conditioning, stepIndex: step))
    try NPZ.write(TensorArchive(tensors: ["y": StoredTensor(y)]), to: out)
    let kind = (self.executor ?? source.defaultExecutor).rawValue
    try session.console.result("\(out): y \(y.dims), \(kind) executor")
  }

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
