import Tensors

/// Problems of HDF5 files.
package enum HDF5Problem: FormatProblem {
  case signature
  case crash(String)
  case timeout(seconds: Int)
  case refused(id: String, text: String)
  case reply(String)
  case start(String)
  case write(String)
  case missing(String, has: [String])
  case rows(name: String, asked: Range<Int>, has: Int)

  package var exit: ExitStatus {
    switch self {
    case .signature, .crash, .timeout, .refused, .reply, .missing, .rows: .refusedInput
    case .start: .internalError
    case .write: .resource
    }
  }

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .signature:
      ("E-H5-SIGNATURE", "not an HDF5 file", nil)
    case .crash(let how):
      (
        "E-H5-CRASH", "the process that read the file died (\(printable(how)))",
        "the file is damaged; make it again"
      )
    case .timeout(let seconds):
      ("E-H5-TIMEOUT", "reading took more than \(seconds) seconds", "the file is damaged; make it again")
    case .refused(let id, let text):
      (id, printable(text), nil)
    case .reply(let text):
      ("E-H5-REPLY", "the process that read the file answered nonsense: \(text)", nil)
    case .start(let text):
      ("E-H5-START", "cannot start the process that reads HDF5 files: \(text)", nil)
    case .write(let text):
      ("E-H5-WRITE", "cannot write: \(printable(text))", nil)
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
    }
  }
}
