import Tensors

/// Problems of ZIP containers. Offsets are bytes from the start of the file.
package enum ZipProblem: FormatProblem {
  case noDirectory(FirstBytes)
  case ambiguousDirectory(Int, Int)
  case truncated(String, at: Int)
  case signature(String, at: Int)
  case severalDisks
  case directory(String, at: Int)
  case count(announced: Int, limit: Int)
  case name(String, reason: String)
  case duplicate(String)
  case encrypted(String)
  case method(Int, name: String)
  case mismatch(String, field: String, directory: String, local: String)
  case overlap(String, at: Int)
  case checksum(String, expected: UInt32, found: UInt32)
  case inflate(String, String)
  case length(String, expected: Int, found: String)
  case ratio(String, compressed: Int, size: Int, limit: Int)
  case missing(String)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .noDirectory(let found):
      (
        "E-ZIP-DIRECTORY",
        found.name == FirstBytes.zip
          ? "no end of a ZIP directory in the file's last 65,557 bytes" : "not a ZIP archive; it is \(found.described)",
        found.hint ?? (found.name == FirstBytes.zip ? truncationHint : nil)
      )
    case .ambiguousDirectory(let a, let b):
      ("E-ZIP-AMBIGUOUS", "two ends of a ZIP directory, at bytes \(a) and \(b)", nil)
    case .truncated(let what, let at):
      ("E-ZIP-TRUNCATED", "\(what) at byte \(at) reaches past the end of its place", truncationHint)
    case .signature(let what, let at):
      ("E-ZIP-SIGNATURE", "expected \(what) at byte \(at)", nil)
    case .severalDisks:
      ("E-ZIP-DISKS", "archives in several volumes are not supported", nil)
    case .directory(let text, let at):
      ("E-ZIP-DIRECTORY", "directory at byte \(at): \(text)", nil)
    case .count(let announced, let limit):
      ("E-ZIP-COUNT", "announces \(announced) members, over the limit of \(limit)", nil)
    case .name(let name, let reason):
      ("E-ZIP-NAME", "member \(quoted(name)): \(reason)", "unpack it, look at the names, and pack it again")
    case .duplicate(let name):
      ("E-ZIP-DUPLICATE", "member \(quoted(name)) stands there twice", nil)
    case .encrypted(let name):
      ("E-ZIP-ENCRYPTED", "member \(quoted(name)) is encrypted", nil)
    case .method(let method, let name):
      (
        "E-ZIP-METHOD",
        "member \(quoted(name)): compression method \(method); supported are 0 (stored) and 8 (deflate)", nil
      )
    case .mismatch(let name, let field, let directory, let local):
      (
        "E-ZIP-MISMATCH",
        "member \(quoted(name)): the directory gives \(field) \(directory), the member's own header \(local)",
        nil
      )
    case .overlap(let name, let at):
      ("E-ZIP-OVERLAP", "member \(quoted(name)) starts at byte \(at), inside another member", nil)
    case .checksum(let name, let expected, let found):
      (
        "E-ZIP-CRC", "member \(quoted(name)): checksum \(hexadecimal(found)), expected \(hexadecimal(expected))",
        truncationHint
      )
    case .inflate(let name, let reason):
      ("E-ZIP-INFLATE", "member \(quoted(name)): the compressed data is damaged (\(reason))", truncationHint)
    case .length(let name, let expected, let found):
      ("E-ZIP-LENGTH", "member \(quoted(name)): announced \(expected) bytes, found \(found)", nil)
    case .ratio(let name, let compressed, let size, let limit):
      (
        "E-ZIP-RATIO", "member \(quoted(name)): \(compressed) bytes would become \(size), over the limit of \(limit)",
        "store it uncompressed (numpy.savez) if the data really is that uniform"
      )
    case .missing(let name):
      ("E-ZIP-MISSING", "holds no member \(quoted(name))", nil)
    }
  }
}

/// Problems of NumPy arrays, alone (.npy) or in archives (.npz); `name` is the member's name, nil for a file of its own.
package enum NumPyProblem: FormatProblem {
  case magic(name: String?, FirstBytes)
  case version(Int, Int, name: String?)
  case header(String, name: String?)
  case elementType(String, name: String?)
  case shape(String, name: String?)
  case length(name: String?, expected: Int, found: Int)
  case member(String)
  case fortranRows(String?)
  case missing(String, has: [String])

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .magic(let name, let found):
      ("E-NPY-MAGIC", "\(subject(name))not a NumPy array; it is \(found.described)", found.hint)
    case .version(let major, let minor, let name):
      ("E-NPY-VERSION", "\(subject(name))format version \(major).\(minor); supported are 1.0, 2.0 and 3.0", nil)
    case .header(let text, let name):
      ("E-NPY-HEADER", "\(subject(name))header: \(text)", nil)
    case .elementType(let found, let name):
      (
        "E-NPY-DTYPE", "\(subject(name))element type \(printable(found, limit: 60)) is not supported",
        "supported are b1, i1, i2, i4, i8, u1, u2, u4, u8, f2, f4 and f8; convert with array.astype"
      )
    case .shape(let text, let name):
      ("E-NPY-SHAPE", "\(subject(name))\(text)", nil)
    case .length(let name, let expected, let found):
      ("E-NPY-LENGTH", "\(subject(name))shape and type need \(expected) bytes of data, found \(found)", nil)
    case .member(let name):
      ("E-NPY-MEMBER", "member \(quoted(name)) is no .npy array", nil)
    case .fortranRows(let name):
      (
        "E-NPY-ORDER", "\(subject(name))stored in Fortran order, which cannot be read row by row",
        "save it with numpy.ascontiguousarray"
      )
    case .missing(let name, let has):
      (
        "E-NPY-MISSING", "holds no array \(quoted(name))",
        has.isEmpty ? nil : "it holds \(has.prefix(10).map(quoted).joined(separator: ", "))"
      )
    }
  }

  private func subject(_ name: String?) -> String { name.map { "array \(quoted($0)): " } ?? "" }
}

/// Problems of gzip streams.
package enum GzipProblem: FormatProblem {
  case damaged(String, at: Int)
  case truncated
  case trailing(at: Int)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .damaged(let reason, let at):
      ("E-GZ-DAMAGED", "the compressed data is damaged near byte \(at) (\(reason))", truncationHint)
    case .truncated:
      ("E-GZ-TRUNCATED", "the compressed data ends early", truncationHint)
    case .trailing(let at):
      ("E-GZ-TRAILING", "bytes after the end of the compressed data, from byte \(at) on", nil)
    }
  }
}

func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}
