import Tensors

/// What a reader or writer of this module refuses: the file it concerns and the problem found there. The wording of each
/// problem stands in that problem's own enumeration, beside this file.
package enum FormatError: HalftoneError, Equatable {
  case file(String, FileProblem)
  case json(String, JSONProblem, TextPosition)
  case yaml(String, YAMLProblem, TextPosition)
  case safetensors(String, SafetensorsProblem)
  case zip(String, ZipProblem)
  case numpy(String, NumPyProblem)
  case gzip(String, GzipProblem)
  case png(String, PNGProblem)
  case jpeg(String, JPEGProblem)
  case idx(String, IDXProblem)
  case images(String, ImageSetProblem)
  case hdf5(String, HDF5Problem)
  case pytorch(String, PyTorchProblem)
  case weights(String, WeightsProblem)

  package var id: String { parts.problem.wording.id }
  package var exit: ExitStatus { parts.problem.exit }
  package var hint: String? { parts.problem.wording.hint }
  package var message: String {
    let (file, position, problem) = parts
    return "\(printable(file, limit: 1000))\(position.map { ": \($0)" } ?? ""): \(problem.wording.text)"
  }

  private var parts: (file: String, position: TextPosition?, problem: any FormatProblem) {
    switch self {
    case .file(let file, let problem): (file, nil, problem)
    case .json(let file, let problem, let position): (file, position, problem)
    case .yaml(let file, let problem, let position): (file, position, problem)
    case .safetensors(let file, let problem): (file, nil, problem)
    case .zip(let file, let problem): (file, nil, problem)
    case .numpy(let file, let problem): (file, nil, problem)
    case .gzip(let file, let problem): (file, nil, problem)
    case .png(let file, let problem): (file, nil, problem)
    case .jpeg(let file, let problem): (file, nil, problem)
    case .idx(let file, let problem): (file, nil, problem)
    case .images(let file, let problem): (file, nil, problem)
    case .hdf5(let file, let problem): (file, nil, problem)
    case .pytorch(let file, let problem): (file, nil, problem)
    case .weights(let file, let problem): (file, nil, problem)
    }
  }
}

/// One kind of format's problems.
package protocol FormatProblem: Error, Equatable {
  var exit: ExitStatus { get }
  /// The stable identifier, one line of text and, where there is something to do, one line of advice.
  var wording: (id: String, text: String, hint: String?) { get }
}

extension FormatProblem {
  package var exit: ExitStatus { .refusedInput }
}

/// Where in a text file something stands. Lines and columns count from 1, the byte offset from 0; YAML gives none, and its
/// columns count characters where JSON's count bytes.
package struct TextPosition: Sendable, Equatable, CustomStringConvertible {
  package let line: Int
  package let column: Int
  package let byte: Int?

  package init(line: Int, column: Int, byte: Int?) {
    self.line = line
    self.column = column
    self.byte = byte
  }

  /// The position of byte `offset` of `bytes`.
  package init(of offset: Int, in bytes: [UInt8]) {
    let before = bytes.prefix(offset)
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let line = before.reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
    self.init(line: line, column: offset - start + 1, byte: offset)
  }

  package var description: String { "line \(line), column \(column)" + (byte.map { " (byte \($0))" } ?? "") }
}
