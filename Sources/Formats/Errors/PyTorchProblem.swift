import Tensors

/// Problems of PyTorch checkpoints. Offsets are bytes from the start of the pickle inside.
package enum PyTorchProblem: FormatProblem {
  case kind(ContainerKind)
  case opcode(UInt8, at: Int)
  case global(String, at: Int)
  case stack(String, at: Int)
  case value(String, at: Int)
  case tensor(String, at: Int)
  case truncated(at: Int)
  case limit(String, limit: Int)
  case storage(String, key: String, expected: Int, found: Int?)
  case byteOrder
  case noStateDict
  /// What was saved is an object of a class.
  case object(String)
  /// A key with two types or counts.
  case contradiction(String)
  /// A storage that stands in the file without any tensor naming it.
  case unknownStorage(String)
  case count(key: String, expected: Int, found: Int)
  case cut(key: String, needed: Int, available: Int)
  case trailing(at: Int, count: Int)
  case name(String)
  case duplicate(String)
  case missing(String)

  package var wording: (id: String, text: String, hint: String?) {
    let resave = "in PyTorch: torch.save(model.state_dict(), …), or safetensors.torch.save_file"
    return switch self {
    case .kind(let kind):
      (
        "E-PT-KIND",
        "not a PyTorch checkpoint" + (kind == .unknown ? "" : ": \(kind.wording.text)"), kind.wording.hint
      )
    case .opcode(let code, let at):
      (
        "E-PT-OPCODE", "pickle operation 0x\(String(code, radix: 16)) at byte \(at); state dicts do not need it", resave
      )
    case .global(let name, let at):
      (
        "E-PT-GLOBAL",
        "the pickle refers to \(quoted(name)) at byte \(at); only tensors and maps are read, nothing is run",
        "no checkpoint needs this; the file was made to do harm when Python loads it"
      )
    case .stack(let text, let at): ("E-PT-STACK", "pickle operation at byte \(at): \(text)", nil)
    case .value(let text, let at): ("E-PT-VALUE", "pickle value at byte \(at): \(text)", nil)
    case .tensor(let text, let at): ("E-PT-TENSOR", "tensor at byte \(at) of the pickle: \(text)", nil)
    case .truncated(let at): ("E-PT-TRUNCATED", "the pickle ends inside the operation at byte \(at)", truncationHint)
    case .limit(let text, let limit): ("E-PT-LIMIT", "\(text), over the limit of \(limit)", nil)
    case .storage(let name, let key, let expected, let found):
      (
        "E-PT-STORAGE",
        "tensor \(quoted(name)): storage \(quoted(key)) needs \(expected) bytes, found "
          + (found.map { "\($0)" } ?? "none"), truncationHint
      )
    case .byteOrder: ("E-PT-ORDER", "written on a big-endian machine", nil)
    case .noStateDict: ("E-PT-STATE", "holds no map of tensors", resave)
    case .object(let name):
      (
        "E-PT-STATE", "holds an object of \(quoted(name)), which only Python can make, not a map of tensors",
        "in PyTorch: torch.save(model.state_dict(), …)"
      )
    case .contradiction(let key): ("E-PT-STORAGE", "storage \(quoted(key)) has two types or sizes", nil)
    case .unknownStorage(let key):
      ("E-PT-STORAGE", "storage \(quoted(key)) belongs to no tensor, so its size is not known", resave)
    case .count(let key, let expected, let found):
      ("E-PT-STORAGE", "storage \(quoted(key)) has \(found) elements where the pickle says \(expected)", truncationHint)
    case .cut(let key, let needed, let available):
      (
        "E-PT-TRUNCATED", "storage \(quoted(key)) needs \(needed) more bytes, \(available) follow", truncationHint
      )
    case .trailing(let at, let count): ("E-PT-TRAILING", "\(count) bytes from byte \(at) on belong to no storage", nil)
    case .name(let name): ("E-PT-NAME", "tensor name \(quoted(name)) is empty, too long or has control characters", nil)
    case .duplicate(let name): ("E-PT-DUPLICATE", "tensor \(quoted(name)) stands there twice", nil)
    case .missing(let name): ("E-PT-MISSING", "holds no tensor \(quoted(name))", nil)
    }
  }
}
