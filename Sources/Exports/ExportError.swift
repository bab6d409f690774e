import Tensors

/// What keeps a model from being exported.
package enum ExportError: HalftoneError, Equatable {
  /// Parts of a network that ONNX has no words for, each with its place.
  case untranslated(path: String, problems: [String])
  case size(path: String, bytes: Int)

  package var id: String {
    switch self {
    case .untranslated: "E-EXPORT-GRAPH"
    case .size: "E-EXPORT-SIZE"
    }
  }

  package var exit: ExitStatus { .refusedInput }

  package var message: String {
    switch self {
    case .untranslated(let path, let problems):
      "\(printable(path)) has what an ONNX graph cannot say:\n  " + listed(problems)
    case .size(let path, let bytes):
      "\(printable(path)) would have \(bytes) bytes, and readers of ONNX take at most \(ONNXFile.largestSize) in one file"
    }
  }

  package var hint: String? {
    switch self {
    case .untranslated: nil
    case .size: "export the codes of a quantised model (without --float), or fewer steps (--steps)"
    }
  }
}
