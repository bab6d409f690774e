import Formats
import Quantization
import Tensors

/// `convert`: a checkpoint in any container as one safetensors file, or a diffusers folder as another with its weights in one file and
/// the type that is asked for.
package struct ConvertCommand: Sendable {
  package enum Layout: String, Sendable, CaseIterable { case diffusers, safetensors }
  package enum Precision: String, Sendable, CaseIterable {
    case f32, f16, bf16
    var type: ElementType {
      switch self {
      case .f32: .f32
      case .f16: .f16
      case .bf16: .bf16
      }
    }
  }

  package var input: String
  package var out: String
  /// nil: diffusers for a folder, unless the output is called `.safetensors`.
  package var layout: Layout?
  /// nil: every array keeps its type.
  package var precision: Precision?
  /// How the network of a checkpoint is to be understood.
  package var options: ModelOptions
  package var json: Bool

  package init(
    input: String, out: String, layout: Layout? = nil, precision: Precision? = nil,
    options: ModelOptions = ModelOptions(), json: Bool = false
  ) {
    self.input = input
    self.out = out
    self.layout = layout
    self.precision = precision
    self.options = options
    self.json = json
  }

  package func run(_ session: Session) throws {
    var command = self
    command.input = try session.assets.path(.model, input)
    try command.convert(session)
  }

  private func convert(_ session: Session) throws {
    let isFolder = Folder.kind(of: input) == .folder
    let layout = self.layout ?? (isFolder && !out.hasSuffix(".safetensors") ? .diffusers : .safetensors)
    try refuseIdle(isFolder: isFolder, layout)
    try checkOutput(layout, session)
    let report: ConversionReport
    switch layout {
    case .safetensors:
      let checkpoint = try open(input)
      var writer = WeightConverter(type: precision?.type)
      try writer.write(checkpoint.weights, to: out)
      report = ConversionReport(input: input, layout: layout, files: writer.files, notes: checkpoint.notes)
    case .diffusers:
      report = try isFolder ? copiedFolder() : describedCheckpoint(session)
    }
    for note in report.notes { session.console.note("note: \(note)") }
    try session.console.result(json ? JSONWriter.compact(report.value) : report.text)
  }

  /// Refuses options about a network where its arrays are written as they are.
  private func refuseIdle(isFolder: Bool, _ layout: Layout) throws {
    let chosen = isFolder ? options.ofWeights + options.ofFolders : options.ofWeights
    let idle = options.given.filter { !chosen.contains($0) }
    if isFolder || layout == .safetensors {
      try ModelSourceError.refuse(
        idle, input, "its arrays are written as they are, whatever network they belong to")
    }
  }

  private func copiedFolder() throws -> ConversionReport {
    var copy = try DiffusersCopy(input, to: out, type: precision?.type, options: options.weights)
    try copy.run()
    return ConversionReport(input: input, layout: .diffusers, files: copy.files, notes: copy.notes)
  }

  /// Names of other programs' networks become diffusers', whose words have to suffice for them.
  private func describedCheckpoint(_ session: Session) throws -> ConversionReport {
    _ = try open(input)
    let source = try ModelSource.open(input, options, holding: .file, assets: session.assets)
    let written = try DiffusersFolder(source).write(to: out, type: precision?.type)
    return ConversionReport(
      input: input, layout: .diffusers, files: written.files, notes: source.notes + written.notes)
  }

  private func open(_ path: String) throws -> Checkpoint {
    let checkpoint = try Checkpoint(path, options.weights)
    if checkpoint.file.metadata[QuantizedModel.metadataKey] != nil { throw ConvertError.quantized(path: path) }
    return checkpoint
  }

  /// Outputs beside which, or instead of which, the input would no longer be there.
  private func checkOutput(_ layout: Layout, _ session: Session) throws {
    let inputs = session.inputs(of: input, options)
    switch layout {
    case .diffusers: try DiffusersFolder.checkPlace(out, inputs: inputs, option: "--layout")
    case .safetensors:
      try OutputPlace.keep(inputs, from: [out])
      if Folder.kind(of: out) == .folder {
        throw ConvertError.output(path: out, expected: "a file", found: "a folder", option: "--layout")
      }
    }
  }
}

/// What keeps a checkpoint from being converted.
package enum ConvertError: HalftoneError, Equatable {
  case output(path: String, expected: String, found: String, option: String)
  /// What of its network diffusers has no words for.
  case layout(path: String, properties: [String])
  case quantized(path: String)
  /// Names, and how many of their values the type cannot hold.
  case overflow(path: String, type: ElementType, arrays: [String], counts: [Int])

  package var id: String {
    switch self {
    case .output: "E-CONVERT-OUT"
    case .layout: "E-CONVERT-LAYOUT"
    case .quantized: "E-CONVERT-QUANTIZED"
    case .overflow: "E-CONVERT-OVERFLOW"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .output: .usage
    case .layout, .quantized, .overflow: .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .output(let path, let expected, let found, _):
      "\(printable(path)): expected \(expected) to write to, found \(found)"
    case .layout(let path, let properties):
      "\(printable(path)) has what diffusers' UNet2DModel cannot: \(properties.joined(separator: "; "))"
    case .quantized(let path): "\(printable(path)) is a quantised model; its codes are not weights"
    case .overflow(let path, let type, let arrays, let counts):
      "\(printable(path)): values beyond the range of \(type.rawValue):"
        + zip(arrays, counts).prefix(20).map { "\n  \(printable($0)): \($1 == 1 ? "1 value" : "\($1) values")" }
        .joined()
        + (arrays.count > 20 ? "\n  and \(arrays.count - 20) more arrays" : "")
    }
  }

  package var hint: String? {
    switch self {
    case .output(_, _, _, let option): "name another output, or another \(option)"
    case .layout: "'halftone convert --layout safetensors' writes one file of them"
    case .quantized: "convert the float model that it was made from"
    case .overflow(_, let type, _, _): type == .f16 ? "take --dtype bf16 or f32" : "leave --dtype out"
    }
  }
}
