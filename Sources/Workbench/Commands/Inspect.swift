import Diffusion
import Execution
import Formats
import Graphs
import Quantization
import Tensors

/// `inspect`: what a model is made of, what runs how, whether an artefact still computes what it did when it was made; and
/// what the other files and folders are that commands leave.
package struct InspectCommand: Sendable {
  package var model: String?
  package var modelOptions: ModelOptions
  package var showsProcessor: Bool
  package var selfTests: Bool
  /// Shows the layers alone, in this order; nil: the model.
  package var layers: LayerOrder?
  /// Where to write the network's graph instead; nil: nowhere.
  package var graph: String?
  package var json: Bool
  package var threads: Int

  package init(
    model: String?, modelOptions: ModelOptions, showsProcessor: Bool, selfTests: Bool, layers: LayerOrder? = nil,
    graph: String? = nil, json: Bool, threads: Int
  ) {
    self.layers = layers
    self.graph = graph
    self.model = model
    self.modelOptions = modelOptions
    self.showsProcessor = showsProcessor
    self.selfTests = selfTests
    self.json = json
    self.threads = threads
  }

  /// - Returns: `gateFailed` when the self-test failed.
  package func run(_ session: Session) throws -> ExitStatus {
    var report: [ConfigurationValue.Entry] = []
    var status = ExitStatus.success
    let compute = try Compute(threads: threads, batch: 1)
    if showsProcessor {
      let entry = Self.processor(compute.kernels)
      report.append(.init("processor", entry))
      if !json { try session.console.result(Self.text(entry)) }
    }
    if let model, layers != nil || graph != nil {
      report += try view(session.open(model, modelOptions), compute, session)
    } else if let model, !selfTests, let file = try FileDescription(model, reader: session.hdf5) {
      try ModelSourceError.refuse(modelOptions.given, model, "it is no model")
      report += file.entries
      if !json { try session.console.result(file.text) }
    } else if let model, let stage = try FirstStageSource.alone(model, modelOptions) {
      session.console.notes(stage.notes)
      let description = try FirstStageDescription(stage, size: modelOptions.size)
      report += [.init("path", .string(model)), .init("kind", "first_stage"), .init("first_stage", description.value)]
      if !json { try session.console.result(description.lines.joined(separator: "\n")) }
    } else if let model {
      let source = try session.open(model, modelOptions)
      let description = try ModelDescription(source, compute: compute)
      report += description.entries
      if !source.notes.isEmpty { report.append(.init("notes", .list(source.notes.map { .string($0) }))) }
      if !json { try session.console.result(description.text) }
      if selfTests {
        let result = try SelfTestRun(source, compute: compute)
        report.append(.init("self_test", result.value))
        if !json { try session.console.result(result.text) }
        if !result.passes { status = .gateFailed }
      }
    }
    if json { try session.console.result(json: .map(report)) }
    return status
  }

  /// The layers of a model as a table, or its graph as a file.
  private func view(
    _ source: ModelSource, _ compute: Compute, _ session: Session
  ) throws -> [ConfigurationValue.Entry] {
    if let graph {
      guard let kind = GraphDrawing.Kind.allCases.first(where: { graph.hasSuffix("." + $0.rawValue) }) else {
        throw InspectError.graphName(path: graph)
      }
      try OutputPlace.check([graph], inputs: session.inputs(of: source.path, modelOptions))
      let drawing = GraphDrawing(
        source.model.graph, table: source.quantized?.table ?? QuantizationTable(), title: source.name)
      try AtomicFile.write(drawing.text(kind), to: graph)
      if !json { try session.console.result("graph: \(graph)") }
      return [.init("path", .string(source.path)), .init("graph", .string(graph))]
    }
    let list = try ModelDescription(source, compute: compute).layerList
    let order = layers ?? .execution
    if !json { try session.console.result(list.table(order).markdown) }
    return [.init("path", .string(source.path)), .init("layers", list.value(order))]
  }

  private static func processor(_ selected: KernelTable) -> ConfigurationValue {
    let machine = Machine.current
    return [
      "name": .string(machine.processor), "logical_cores": .integer(machine.logicalCores),
      "instruction_sets": .list(KernelTable.available().map { .string($0.name) }), "runs": .string(selected.name),
    ]
  }

  private static func text(_ processor: ConfigurationValue) -> String {
    guard case .map(let entries) = processor else { return "" }
    return entries.map { entry in
      switch entry.value {
      case .string(let text): "\(entry.key): \(text)"
      case .list(let items):
        "\(entry.key): "
          + items.compactMap { if case .string(let text) = $0 { text } else { nil } }.joined(separator: ", ")
      case .null, .bool, .integer, .number, .map: "\(entry.key): \(entry.value.shown)"
      }
    }.joined(separator: "\n")
  }
}

/// What `inspect` cannot do as it was told.
package enum InspectError: HalftoneError, Equatable {
  case graphName(path: String)

  package var id: String { "E-INSPECT-GRAPH" }
  package var exit: ExitStatus { .usage }
  package var message: String {
    switch self {
    case .graphName(let path): "--graph \(printable(path)): expected a name that ends in .html, .dot or .json"
    }
  }
}

/// The self-test of an artefact, repeated here.
struct SelfTestRun {
  let largestDifference: Double
  let count: Int

  /// - Throws: when the model carries no self-test.
  init(_ source: ModelSource, compute: Compute) throws {
    guard let quantized = source.quantized else {
      throw ModelSourceError.needsQuantized(path: source.path, command: "inspect --self-test")
    }
    guard let test = quantized.selfTest else { throw ModelSourceError.noSelfTest(path: source.path) }
    let step = quantized.steps[test.stepIndex]
    let found = try source.executor(.integer, compute: compute).run(
      NetworkInput(
        x: test.x, at: step, conditioning: quantized.selfTestConditioning(test, graph: source.model.graph)))
    count = found.count
    largestDifference = zip(found.values, test.expected.values).reduce(0) { max($0, Double(abs($1.0 - $1.1))) }
  }

  /// Integer results are the same bits on every machine, so nothing but equality passes.
  var passes: Bool { largestDifference == 0 }

  var text: String {
    passes
      ? "self-test: passed, \(count) values are bit-identical"
      : "self-test: FAILED, largest difference \(largestDifference) over \(count) values"
  }

  var value: ConfigurationValue {
    ["passed": .bool(passes), "largest_difference": .number(largestDifference), "values": .integer(count)]
  }
}
