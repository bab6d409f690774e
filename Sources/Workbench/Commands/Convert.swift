import Formats
import Foundation
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
  package var options: Checkpoint.Options
  package var json: Bool

  package init(
    input: String, out: String, layout: Layout? = nil, precision: Precision? = nil,
    options: Checkpoint.Options = .init(), json: Bool = false
  ) {
    self.input = input
    self.out = out
    self.layout = layout
    self.precision = precision
    self.options = options
    self.json = json
  }

  package func run(_ session: Session) throws {
    let isFolder = Folder.kind(of: input) == .folder
    let layout = self.layout ?? (isFolder && !out.hasSuffix(".safetensors") ? .diffusers : .safetensors)
    try checkOutput(layout)
    let report: ConversionReport
    switch layout {
    case .safetensors:
      let checkpoint = try open(input)
      var writer = WeightConverter(type: precision?.type)
      try writer.write(checkpoint.weights, to: out)
      report = ConversionReport(input: input, layout: layout, files: writer.files, notes: checkpoint.notes)
    case .diffusers:
      // Names of other programs' networks become diffusers' where their layouts are known; a folder already has them.
      guard isFolder else { throw ConvertError.layout(path: input) }
      var copy = try DiffusersCopy(input, to: out, type: precision?.type, options: options)
      try copy.run()
      report = ConversionReport(input: input, layout: layout, files: copy.files, notes: copy.notes)
    }
    for note in report.notes { session.console.note("note: \(note)") }
    try session.console.result(json ? JSONWriter.compact(report.value) : report.text)
  }

  private func open(_ path: String) throws -> Checkpoint {
    let checkpoint = try Checkpoint(path, options)
    if checkpoint.file.metadata[QuantizedModel.metadataKey] != nil { throw ConvertError.quantized(path: path) }
    return checkpoint
  }

  /// Outputs beside which, or instead of which, the input would no longer be there.
  private func checkOutput(_ layout: Layout) throws {
    func resolved(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    if resolved(input) == resolved(out) { throw ConvertError.same(path: out) }
    switch (layout, Folder.kind(of: out)) {
    case (.safetensors, .folder?): throw ConvertError.output(path: out, expected: "a file", found: "a folder")
    case (.diffusers, .file?): throw ConvertError.output(path: out, expected: "a folder", found: "a file")
    default: break
    }
  }
}

/// What keeps a checkpoint from being converted.
package enum ConvertError: HalftoneError, Equatable {
  case same(path: String)
  case output(path: String, expected: String, found: String)
  case layout(path: String)
  case quantized(path: String)
  /// Names, and how many of their values the type cannot hold.
  case overflow(path: String, type: ElementType, arrays: [String], counts: [Int])

  package var id: String {
    switch self {
    case .same, .output: "E-CONVERT-OUT"
    case .layout: "E-CONVERT-LAYOUT"
    case .quantized: "E-CONVERT-QUANTIZED"
    case .overflow: "E-CONVERT-OVERFLOW"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .same, .output: .usage
    case .layout, .quantized, .overflow: .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .same(let path): "\(printable(path)) is both input and output"
    case .output(let path, let expected, let found):
      "\(printable(path)): expected \(expected) to write to, found \(found)"
    case .layout(let path): "\(printable(path)) is one file; only diffusers folders can be written as diffusers folders"
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
    case .same: "name another output"
    case .output: "name another output, or the other --layout"
    case .layout: "write one file with --layout safetensors"
    case .quantized: "convert the float model that it was made from"
    case .overflow(_, let type, _, _): type == .f16 ? "take --dtype bf16 or f32" : "leave --dtype out"
    }
  }
}
