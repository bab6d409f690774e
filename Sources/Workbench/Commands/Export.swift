import Exports
import Formats
import Networks
import Quantization
import Tensors

/// `export`: a model for other programs, as an ONNX graph, as a diffusers folder of the values that its codes stand for, or as arrays.
package struct ExportCommand: Sendable {
  package enum Format: String, Sendable, CaseIterable {
    case onnx, diffusers, npz
  }

  package var model: String
  package var format: Format
  package var out: String
  /// nil: quantised for what is quantised, float for the rest. Of ONNX.
  package var form: ONNXForm?
  /// The sampling steps that the file serves; nil: all. Of ONNX.
  package var steps: StepRange?
  /// Whether weights of four bits and fewer take a byte each. Of ONNX.
  package var wideWeights: Bool
  /// A network of the first stage; nil for the denoiser. Of ONNX and NPZ.
  package var component: FirstStageSide?
  /// Draws the weights from a fixed seed, as `bench` does. Of denoisers as ONNX.
  package var randomWeights: Bool
  package var modelOptions: ModelOptions
  package var json: Bool

  package init(
    model: String, format: Format, out: String, form: ONNXForm? = nil, steps: StepRange? = nil,
    wideWeights: Bool = false,
    component: FirstStageSide? = nil, randomWeights: Bool = false, modelOptions: ModelOptions = ModelOptions(),
    json: Bool = false
  ) {
    self.model = model
    self.format = format
    self.out = out
    self.form = form
    self.steps = steps
    self.wideWeights = wideWeights
    self.component = component
    self.randomWeights = randomWeights
    self.modelOptions = modelOptions
    self.json = json
  }

  /// - Throws: what keeps the model from being exported, before anything is written.
  package func run(_ session: Session) throws {
    try checkOutput(session)
    let report: ExportReport
    switch format {
    case .onnx: report = try onnx(session)
    case .npz: report = try arrays(session)
    case .diffusers: report = try folder(session)
    }
    session.console.notes(report.notes)
    try session.console.result(json ? JSONWriter.compact(report.value) : report.text)
  }

  private func checkOutput(_ session: Session) throws {
    let inputs = session.inputs(of: model, modelOptions)
    if format == .diffusers {
      try DiffusersFolder.checkPlace(out, inputs: inputs, option: "--format")
    } else {
      try OutputPlace.check([out], inputs: inputs)
    }
  }

  private func onnx(_ session: Session) throws -> ExportReport {
    let network = try network(session)
    let isQuantized = !network.table.weights.isEmpty || !network.table.activations.isEmpty
    if form == .quantized, !isQuantized {
      throw ModelSourceError.needsQuantized(path: network.path, command: "export --qdq")
    }
    if wideWeights, form == .float || !isQuantized {
      throw ModelSourceError.idleOptions(
        path: network.path, options: ["--byte-weights"], reason: "no weights are exported as integers")
    }
    let options = ONNXOptions(
      form: form ?? (isQuantized ? .quantized : .float), weightWidth: wideWeights ? .byte : .smallest,
      steps: try network.steps(steps, form: form))
    let graph = try ONNXTranslation.graph(
      of: network.model, table: network.table, embedder: network.embedder, options: options, path: network.path)
    let file = ONNXFile(graph: graph, metadata: network.metadata(options), program: halftoneVersion)
    try file.write(to: out)
    let summary: ConfigurationValue = [
      "nodes": .integer(graph.nodeCount), "arrays": .integer(graph.initializers.count),
      "inputs": .list(graph.inputNames.map { .string($0) }),
    ]
    return ExportReport(
      format: format, path: out, size: try file.size(), summary: summary, notes: network.notes(options))
  }

  private func arrays(_ session: Session) throws -> ExportReport {
    let network = try network(session)
    if network.table.weights.isEmpty && network.table.activations.isEmpty && network.table.features.isEmpty {
      throw ModelSourceError.needsQuantized(path: network.path, command: "export --format npz")
    }
    let archive = CodesArchive(network)
    try archive.write(to: out)
    let size = try InputFile(out).size
    return ExportReport(format: format, path: out, size: size, summary: archive.summary, notes: [])
  }

  private func folder(_ session: Session) throws -> ExportReport {
    let source = try session.open(model, modelOptions)
    let written = try DiffusersFolder(source).write(to: out, type: nil)
    var notes = written.notes
    if let table = source.quantized?.table, !table.activations.isEmpty {
      notes.append("the folder has the values that weights' codes stand for; activations are float there")
    }
    if source.quantized?.correction != nil { notes.append(ExportedNetwork.correctionNote) }
    let size = written.files.reduce(0) { $0 + $1.bytes }
    let arrays = written.files.reduce(0) { $0 + $1.arrays }
    return ExportReport(format: format, path: out, size: size, summary: ["arrays": .integer(arrays)], notes: notes)
  }

  private func network(_ session: Session) throws -> ExportedNetwork {
    guard let component else {
      return ExportedNetwork(
        randomWeights
          ? try ModelSource.random(model, modelOptions, seed: 0, for: "export --random-weights", assets: session.assets)
          : try session.open(model, modelOptions))
    }
    return try ExportedNetwork(component, of: model, modelOptions, session)
  }
}

/// What becomes of quantised weights and activations in an ONNX file.
package typealias ONNXForm = ONNXOptions.Form
