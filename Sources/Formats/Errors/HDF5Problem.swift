import Tensors

/// Problems of HDF5 files, found by the process that uses them or by the one that reads them.
package enum HDF5Problem: FormatProblem {
  case signature(found: FirstBytes)
  case crash(String)
  case timeout(seconds: Int)
  case reply(String)
  /// The system refuses another process, its memory or its descriptors.
  case start(String)
  /// Nothing was named that reads such files.
  case noReader
  case missing(String, has: [String])
  case rows(name: String, asked: Range<Int>, has: Int)
  case write(String)

  // Found by the reading process.
  case open(String)
  case link(String, kind: String)
  case storage(String, kind: String)
  case filter(String, Int)
  case elementType(String, found: String)
  case shape(String, String)
  case attribute(String, of: String)
  case limit(String, String)
  case read(String, String)
  /// One of these, as it came from that process.
  case relayed(id: String, text: String)

  package var exit: ExitStatus {
    switch self {
    case .start, .write: .resource
    case .noReader: .usage
    case .signature, .crash, .timeout, .reply, .missing, .rows, .open, .link, .storage, .filter, .elementType, .shape,
      .attribute, .limit, .read, .relayed:
      .refusedInput
    }
  }

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .signature(let found):
      ("E-H5-SIGNATURE", "not an HDF5 file; it is \(found.described)", found.hint)
    case .crash(let how):
      ("E-H5-CRASH", "the process that read the file died (\(how))", damagedHint)
    case .timeout(let seconds):
      ("E-H5-TIMEOUT", "no answer from the process that reads the file within \(seconds) seconds", damagedHint)
    case .reply(let text):
      ("E-H5-REPLY", "the process that read the file answered nonsense: \(text)", damagedHint)
    case .start(let text):
      (
        "E-H5-START", "cannot start the process that reads HDF5 files: \(text)",
        "raise the limits on descriptors and processes ('ulimit -n', 'ulimit -u')"
      )
    case .noReader:
      (
        "E-H5-READER", "HDF5 files are read by another process, and no program was named for it",
        "name the halftone program as the reader of HDF5 files"
      )
    case .missing(let name, let has):
      (
        "E-H5-MISSING", "holds no dataset \(quoted(name))",
        has.isEmpty ? nil : "it holds \(has.prefix(10).map(quoted).joined(separator: ", "))"
      )
    case .rows(let name, let asked, let has):
      (
        "E-H5-ROWS",
        "dataset \(quoted(name)) has \(has) rows; rows \(asked.lowerBound)..<\(asked.upperBound) were asked for", nil
      )
    case .write(let text):
      ("E-H5-WRITE", "cannot write: \(printable(text))", nil)
    case .open(let text):
      ("E-H5-OPEN", "libhdf5 cannot open it: \(printable(text))", damagedHint)
    case .link(let name, let kind):
      ("E-H5-LINK", "\(quoted(name)) is \(kind); only plain links are followed", nil)
    case .storage(let name, let kind):
      ("E-H5-STORAGE", "dataset \(quoted(name)) is stored \(kind)", nil)
    case .filter(let name, let number):
      (
        "E-H5-FILTER", "dataset \(quoted(name)) uses filter \(number); supported are deflate, shuffle and fletcher32",
        "rewrite it with 'h5repack -f GZIP=4'"
      )
    case .elementType(let name, let found):
      (
        "E-H5-TYPE", "\(quoted(name)) holds \(found)",
        "supported are 32- and 64-bit floats and 8- to 64-bit integers"
      )
    case .shape(let name, let text):
      ("E-H5-SHAPE", "dataset \(quoted(name)): \(text)", nil)
    case .attribute(let name, let owner):
      ("E-H5-ATTRIBUTE", "attribute \(quoted(name)) of \(quoted(owner)) is no UTF-8 string of fixed length", nil)
    case .limit(let name, let text):
      ("E-H5-LIMIT", "\(quoted(name)): \(text)", nil)
    case .read(let name, let text):
      ("E-H5-READ", "\(quoted(name)): \(printable(text))", damagedHint)
    case .relayed(let id, let text):
      (id, printable(text, limit: 500), nil)
    }
  }
}

private let damagedHint = "the file is damaged or hostile; make it again"
