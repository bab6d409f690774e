import Diffusion
import Graphs
import Synchronization
import Tensors

/// The engine under the float and the integer executor: compiles the graph once, then runs whole images on the pool's
/// workers. The temporal block runs once per step and conditioning, what depends on a context alone once per context, never
/// per image.
///
/// The same image comes out for any batch and thread count: each output element is summed in one fixed order.
final class FastExecutor: Sendable {
  let model: Model
  let table: QuantizationTable
  private let temporal: Program
  private let context: Program
  private let main: Program
  private let kernels: KernelTable
  private let pool: WorkerPool
  private let observer: SiteObserver?
  private let profile: ExecutionProfile?
  private let freeArenas = Mutex<[AlignedBuffer]>([])
  private let constants = Mutex<[CallKey: CallConstants]>([:])

  private let contexts = Mutex<[Context: [Int: [Float]]]>([:])

  /// Keys kept before the cache starts over: more than any sampler has steps times classes in flight.
  private static let cachedKeys = 4096
  /// Contexts kept before the cache starts over: a batch of images that differ, twice.
  private static let cachedContexts = 128

  init(
    model: Model, table: QuantizationTable, arithmetic: Arithmetic, pool: WorkerPool, kernels: KernelTable,
    observer: SiteObserver?, profile: ExecutionProfile? = nil
  ) throws {
    self.model = model
    self.table = table
    self.pool = pool
    self.kernels = kernels
    self.observer = observer
    self.profile = profile
    try table.check(for: model.graph)
    let layout = kernels.instructionSet.integerLayout
    try MemoryBudget.require(
      Self.packedBytes(model.graph, table, arithmetic, layout), for: "the packed weights of the network's layers")
    func program(_ phase: Phase) throws -> Program {
      var compiler = ProgramCompiler(
        model: model, table: table,
        // What runs once a step costs nothing in Float.
        arithmetic: arithmetic == .bfloat16 && phase == .step ? .direct : arithmetic, layout: layout, phase: phase)
      return try compiler.compile()
    }
    temporal = try program(.step)
    context = try program(.context)
    main = try program(.sample)
    // Every use needs one at least: said before anything else is made.
    try MemoryBudget.require(arenaBytes, for: "working memory of one image of \(model.graph.imageShape)")
  }

  /// Bytes of all layers' packed weights, at the most: many of them are too small to be looked at one by one.
  private static func packedBytes(
    _ graph: Graph, _ table: QuantizationTable, _ arithmetic: Arithmetic, _ layout: IntegerLayout
  ) -> Int {
    graph.nodes.filter { $0.op.facts.isLayer }.reduce(0) { sum, node in
      let count = MemoryBudget.product(4, graph.parameterDims(of: node)?.reduce(1, *) ?? 0)
      switch arithmetic {
      case .direct: return MemoryBudget.sum(sum, count)
      case .bfloat16:
        let isHalved = graph.parameterDims(of: node).map(ContractionLayer.paysBFloat16) ?? false
        return MemoryBudget.sum(sum, isHalved ? count / 2 : count)
      // Tiles have 36 products for 9 taps.
      case .winograd: return MemoryBudget.sum(sum, MemoryBudget.product(4, count))
      case .integer:
        return MemoryBudget.sum(sum, table.weights[node.path] == nil ? count : layout.mostBytes(weights: count / 4))
      }
    }
  }

  private var contractions: [Contraction] { temporal.contractions + context.contractions + main.contractions }

  /// For each convolution and linear layer in execution order, whether it multiplies codes.
  var layers: [(path: String, isInteger: Bool)] { contractions.map { ($0.path, $0.isInteger) } }

  /// Bytes of working memory for one image.
  var arenaBytes: Int { max(main.arenaBytes, context.arenaBytes, temporal.arenaBytes) }

  /// Bytes of the weights as the kernels read them.
  var weightBytes: Int {
    contractions.reduce(0) { sum, contraction in
      contraction.parts.reduce(sum) { $0 + $1.weights.byteCount }
    }
  }

  func run(_ input: NetworkInput) throws -> Tensor {
    try model.graph.check(input)
    try table.check(stepIndex: input.stepIndex)
    let batch = input.x.dims[0]
    let keys = (0..<batch).map {
      CallKey(
        timestep: input.timestep(of: $0), conditioning: input.conditioning(of: $0).withoutContext,
        stepIndex: input.stepIndex)
    }
    let constants = try constants(for: keys)
    let imports = try contextValues(for: (0..<batch).map { input.conditioning(of: $0).context })
    let outputDims = model.graph.nodes[model.graph.output].dims
    let outputCount = outputDims.reduce(1, *)
    try MemoryBudget.require(
      MemoryBudget.product(4, batch, outputCount), for: "the network's output for \(batch) images")
    var output = Tensor([batch] + outputDims)
    let collectors = observer.map { observer in (0..<batch).map { _ in Self.collector(for: observer) } } ?? []
    let alone = batch < pool.threads
    let groups = try affordableGroups(batch: batch)
    let arenas = try (0..<groups.inFlight).map { _ in try takeArena() }
    let idle = Mutex(arenas)
    defer { arenas.forEach(returnArena) }
    output.values.withUnsafeMutableBufferPointer { output in
      input.x.values.withUnsafeBufferPointer { x in
        let imageCount = model.graph.imageShape.count
        func runGroup(_ group: Int) {
          let images = groups.images(of: group, batch: batch)
          let own = idle.withLock { arenas in images.map { _ in arenas.removeLast() } }
          defer { idle.withLock { $0 += own } }
          let runners = zip(images, own).map { image, arena in
            runner(
              constants[keys[image]]!, imports: imports[input.conditioning(of: image).context] ?? [:], arena: arena,
              x: x.baseAddress! + image * imageCount, pool: alone ? pool : nil,
              collector: collectors.isEmpty ? nil : collectors[image])
          }
          ProgramRunner.run(runners)
          for (image, runner) in zip(images, runners) {
            writeResult(of: runner, to: output.baseAddress! + image * outputCount)
          }
        }
        if alone {
          for group in 0..<groups.count { runGroup(group) }
        } else {
          pool.parallel(groups.count, runGroup)
        }
      }
    }
    report(collectors)
    return output
  }

  // MARK: Temporal block

  private func constants(for keys: [CallKey]) throws -> [CallKey: CallConstants] {
    var found: [CallKey: CallConstants] = [:]
    var collectors: [SiteCollector] = []
    for key in keys where found[key] == nil {
      if observer == nil, let cached = constants.withLock({ $0[key] }) {
        found[key] = cached
        continue
      }
      let collector = observer.map(Self.collector)
      let fresh = CallConstants(main, key: key, temporal: try runTemporal(key, collector: collector))
      if let collector { collectors.append(collector) }
      constants.withLock {
        if $0.count >= Self.cachedKeys { $0.removeAll() }
        $0[key] = fresh
      }
      found[key] = fresh
    }
    report(collectors)
    return found
  }

  /// Values of the temporal nodes that the main program reads; the block runs only where one of them is not kept.
  private func runTemporal(_ key: CallKey, collector: SiteCollector?) throws -> [Int: [Float]] {
    var values: [Int: [Float]] = [:]
    for node in temporal.results.keys {
      values[node] = table.features[model.graph.nodes[node].path]?.values(
        stepIndex: key.stepIndex ?? 0, label: key.label)
    }
    if values.count == temporal.results.count { return values }
    let arena = try takeArena()
    defer { returnArena(arena) }
    let runner = ProgramRunner(
      graph: model.graph, parameters: model.parameters, program: temporal,
      constants: CallConstants(temporal, key: key, temporal: [:]), kernels: kernels, arena: arena.raw, pool: nil,
      observer: collector.map(receiver), profile: nil)
    runner.run()
    for (node, buffer) in temporal.results where values[node] == nil {
      values[node] = Array(UnsafeBufferPointer(start: runner.floats(buffer), count: model.graph.nodes[node].count))
    }
    return values
  }

  // MARK: Contexts

  /// Values of the nodes that depend on a context alone and that the main program reads, by context.
  private func contextValues(for contexts: [Context?]) throws -> [Context?: [Int: [Float]]] {
    var found: [Context?: [Int: [Float]]] = [:]
    var collectors: [SiteCollector] = []
    for context in contexts where found[context] == nil {
      guard let context, !main.imports.isEmpty else { continue }
      if observer == nil, let known = self.contexts.withLock({ $0[context] }) {
        found[context] = known
        continue
      }
      let collector = observer.map(Self.collector)
      let values = try runContext(context, collector: collector)
      if let collector { collectors.append(collector) }
      self.contexts.withLock {
        if $0.count >= Self.cachedContexts { $0.removeAll() }
        $0[context] = values
      }
      found[context] = values
    }
    report(collectors)
    return found
  }

  private func runContext(_ context: Context, collector: SiteCollector?) throws -> [Int: [Float]] {
    let arena = try takeArena()
    defer { returnArena(arena) }
    let key = CallKey(timestep: nil, conditioning: .none, stepIndex: nil)
    let runner = ProgramRunner(
      graph: model.graph, parameters: model.parameters, program: self.context,
      constants: CallConstants(self.context, key: key, temporal: [:]), kernels: kernels, arena: arena.raw, pool: nil,
      observer: collector.map(receiver), profile: nil)
    for buffer in self.context.imports.values {
      context.tokens.values.withUnsafeBufferPointer {
        runner.floats(buffer).update(from: $0.baseAddress!, count: $0.count)
      }
    }
    runner.run()
    return Dictionary(
      uniqueKeysWithValues: main.imports.keys.map { node in
        let values = runner.floats(self.context.results[node]!)
        return (node, Array(UnsafeBufferPointer(start: values, count: model.graph.nodes[node].count)))
      })
  }

  // MARK: Images

  private func groups(batch: Int) -> ImageGroups {
    if batch < pool.threads { return ImageGroups(singly: batch, workers: 1) }
    // Without layers that are taken step by step groups would only take memory.
    return main.stretches.contains(where: \.isStepByStep)
      ? ImageGroups(batch: batch, workers: pool.threads, arenaBytes: arenaBytes)
      : ImageGroups(singly: batch, workers: pool.threads)
  }

  /// Bytes of working memory for a batch.
  func workingBytes(batch: Int) -> Int { MemoryBudget.product(arenaBytes, groups(batch: batch).inFlight) }

  /// Groups whose working memory there is room for.
  /// - Throws: where there is none for one image of each worker.
  private func affordableGroups(batch: Int) throws(MemoryError) -> ImageGroups {
    let free = freeArenas.withLock { $0.count }
    func require(_ groups: ImageGroups) throws(MemoryError) -> ImageGroups {
      try MemoryBudget.require(
        MemoryBudget.product(arenaBytes, max(groups.inFlight - free, 0)),
        for: "working memory of \(groups.inFlight) images of \(model.graph.imageShape) at once")
      return groups
    }
    let wanted = groups(batch: batch)
    do { return try require(wanted) } catch {
      if wanted.size == 1 { throw error }
      return try require(ImageGroups(singly: batch, workers: pool.threads))
    }
  }

  /// An image and everything that its program reads, in an arena of its own.
  private func runner(
    _ constants: CallConstants, imports: [Int: [Float]], arena: AlignedBuffer, x: UnsafePointer<Float>,
    pool: WorkerPool?, collector: SiteCollector?
  ) -> ProgramRunner {
    let graph = model.graph
    let runner = ProgramRunner(
      graph: graph, parameters: model.parameters, program: main, constants: constants, kernels: kernels,
      arena: arena.raw, pool: pool, observer: collector.map(receiver), profile: profile)
    if let image = main.image {
      let shape = graph.imageShape
      ChannelsLast.write(
        from: x, channels: shape.channels, pixels: shape.height * shape.width, to: runner.floats(image))
    }
    for (node, buffer) in main.imports {
      guard let values = imports[node] else { preconditionFailure("no context for \(graph.nodes[node].path)") }
      runner.floats(buffer).update(from: values, count: values.count)
    }
    return runner
  }

  private func writeResult(of runner: ProgramRunner, to y: UnsafeMutablePointer<Float>) {
    let graph = model.graph
    let output = graph.nodes[graph.output].shape
    let result = main.results[FusionPlan.root(of: graph.output, in: graph)]!
    if output.image != nil {
      ChannelsLast.read(from: runner.floats(result), channels: output.channels, pixels: output.positions, to: y)
    } else {
      y.update(from: runner.floats(result), count: output.count)
    }
  }

  private func takeArena() throws(KernelError) -> AlignedBuffer {
    if let arena = freeArenas.withLock({ $0.popLast() }) { return arena }
    return try AlignedBuffer(byteCount: arenaBytes)
  }

  private func returnArena(_ arena: AlignedBuffer) { freeArenas.withLock { $0.append(arena) } }

  // MARK: Observation

  private static func collector(for observer: SiteObserver) -> SiteCollector {
    SiteCollector(wantsExtremes: observer.receiveExtremes != nil)
  }

  /// Hands on what the observer watches.
  private func receiver(_ collector: SiteCollector) -> (ObservedValue) -> Void {
    { [observer] value in
      if observer?.watches(value.site) == true { collector.add(value) }
    }
  }

  /// Hands the collected values to the observer, site by site in execution order, batch axis first.
  private func report(_ collectors: [SiteCollector]) {
    guard let observer, !collectors.isEmpty else { return }
    let images = collectors.map(\.entries)
    for (position, entry) in images[0].enumerated() {
      switch entry.content {
      case .extremes(var all):
        for case .extremes(let own) in images.dropFirst().map({ $0[position].content }) { all.formUnion(own) }
        observer.receiveExtremes?(entry.site, all)
      case .values:
        let values = images.flatMap { entries -> [Float] in
          if case .values(let own) = entries[position].content { own } else { [] }
        }
        observer.receive(entry.site, Tensor([images.count] + entry.shape.dims, values))
      }
    }
  }
}
