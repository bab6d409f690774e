/// Problems of safetensors files. Offsets are bytes from the start of the file.
package enum SafetensorsProblem: FormatProblem {
  case tooShort(size: Int)
  case headerSize(UInt64, available: Int)
  case headerLimit(UInt64, limit: Int)
  case json(JSONProblem, at: Int)
  case structure(String, at: Int)
  case duplicate(String, at: Int)
  case metadata(String, at: Int)
  case name(String, at: Int)
  case elementType(String, name: String)
  case shape(String, name: String)
  case offsets(String, name: String)
  case size(name: String, expected: Int, found: Int)
  case overlap(String, String, at: Int)
  case hole(before: String, expected: Int, found: Int)
  case trailing(at: Int, count: Int)
  case truncated(name: String, end: Int, size: Int)
  case missing(String)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .tooShort(let size):
      ("E-ST-SHORT", "\(size) bytes; a safetensors file starts with an 8-byte header length and a header", nil)
    case .headerSize(let length, let available):
      ("E-ST-HEADER-SIZE", "byte 0 announces a header of \(length) bytes; \(available) follow", truncationHint)
    case .headerLimit(let length, let limit):
      ("E-ST-HEADER-SIZE", "byte 0 announces a header of \(length) bytes, over the limit of \(limit)", nil)
    case .json(let problem, let at):
      ("E-ST-JSON", "header at byte \(at): \(problem.wording.text)", nil)
    case .structure(let text, let at):
      ("E-ST-HEADER", "header at byte \(at): \(text)", nil)
    case .duplicate(let name, let at):
      ("E-ST-DUPLICATE", "header at byte \(at): \(quoted(name)) stands there a second time", nil)
    case .metadata(let text, let at):
      ("E-ST-METADATA", "header at byte \(at): \(text)", nil)
    case .name(let text, let at):
      ("E-ST-NAME", "header at byte \(at): tensor name \(text)", nil)
    case .elementType(let found, let name):
      (
        "E-ST-DTYPE", "tensor \(quoted(name)): element type \(quoted(found)) is not supported",
        "supported are \(supportedElementTypes)"
      )
    case .shape(let text, let name):
      ("E-ST-SHAPE", "tensor \(quoted(name)): \(text)", nil)
    case .offsets(let text, let name):
      ("E-ST-OFFSETS", "tensor \(quoted(name)): \(text)", nil)
    case .size(let name, let expected, let found):
      ("E-ST-SIZE", "tensor \(quoted(name)): shape and type need \(expected) bytes, the offsets give \(found)", nil)
    case .overlap(let first, let second, let at):
      ("E-ST-OVERLAP", "tensors \(quoted(first)) and \(quoted(second)) overlap at byte \(at)", nil)
    case .hole(let name, let expected, let found):
      ("E-ST-HOLE", "bytes \(expected) to \(found - 1), before tensor \(quoted(name)), belong to no tensor", nil)
    case .trailing(let at, let count):
      ("E-ST-TRAILING", "\(count) bytes from byte \(at) on belong to no tensor", nil)
    case .truncated(let name, let end, let size):
      ("E-ST-TRUNCATED", "tensor \(quoted(name)) ends at byte \(end), the file at byte \(size)", truncationHint)
    case .missing(let name):
      ("E-ST-MISSING", "holds no tensor \(quoted(name))", nil)
    }
  }
}
