import Tensors

/// Problems of JSON texts.
package enum JSONProblem: FormatProblem {
  case syntax(expected: String, found: String)
  case utf8
  case surrogate
  case number(String)
  case duplicateKey(String)
  case depth(limit: Int)
  case trailing

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .syntax(let expected, let found):
      ("E-JSON-SYNTAX", "expected \(expected), found \(found)", nil)
    case .utf8:
      ("E-JSON-UTF8", "not valid UTF-8", nil)
    case .surrogate:
      ("E-JSON-SURROGATE", "an escape names half of a surrogate pair, which is no character", nil)
    case .number(let text):
      ("E-JSON-NUMBER", "\(printable(text, limit: 40)) is no number of finite range in JSON's notation", nil)
    case .duplicateKey(let key):
      ("E-JSON-DUPLICATE", "key \(quoted(key)) stands twice in one map", nil)
    case .depth(let limit):
      ("E-JSON-DEPTH", "nested deeper than \(limit) levels", nil)
    case .trailing:
      ("E-JSON-TRAILING", "text after the end of the document", nil)
    }
  }
}

/// Problems of YAML texts.
package enum YAMLProblem: FormatProblem {
  case syntax(String)
  case utf8
  case anchor(String)
  case alias(String)
  case tag(String)
  case mergeKey
  case keyKind
  case duplicateKey(String)
  case severalDocuments
  case empty
  case depth(limit: Int)
  case leadingZero(String)
  case number(String)

  package var wording: (id: String, text: String, hint: String?) {
    switch self {
    case .syntax(let text):
      ("E-YAML-SYNTAX", text, nil)
    case .utf8:
      ("E-YAML-UTF8", "not valid UTF-8", nil)
    case .anchor(let name):
      (
        "E-YAML-ANCHOR", "anchors (&\(printable(name, limit: 40))) are not used here",
        "write the value out in each place"
      )
    case .alias(let name):
      (
        "E-YAML-ALIAS", "aliases (*\(printable(name, limit: 40))) are not used here",
        "write the value out in each place"
      )
    case .tag(let name):
      ("E-YAML-TAG", "tags (\(printable(name, limit: 60))) are not used here", "quote the value if it is a string")
    case .mergeKey:
      ("E-YAML-MERGE", "merge keys (<<) are not used here", "write the keys out")
    case .keyKind:
      ("E-YAML-KEY", "keys must be strings", nil)
    case .duplicateKey(let key):
      ("E-YAML-DUPLICATE", "key \(quoted(key)) stands twice in one map", nil)
    case .severalDocuments:
      ("E-YAML-DOCUMENTS", "a second document starts here; one is expected", nil)
    case .empty:
      ("E-YAML-EMPTY", "the document is empty", nil)
    case .depth(let limit):
      ("E-YAML-DEPTH", "nested deeper than \(limit) levels", nil)
    case .leadingZero(let text):
      (
        "E-YAML-LEADING-ZERO", "\(printable(text, limit: 40)) could be read as octal or as decimal",
        "write the number without the leading zero, or quote it if it is a string"
      )
    case .number(let text):
      ("E-YAML-NUMBER", "\(printable(text, limit: 40)) is no finite number", nil)
    }
  }
}
