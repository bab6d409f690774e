import Tensors

/// Phrases that the problems of several formats share.
let truncationHint = "the file is incomplete; copy or download it again"

let supportedElementTypes = ElementType.allCases.map(\.rawValue).joined(separator: ", ")

/// Text from a file, in quotes and safe to print.
func quoted(_ text: String) -> String { "\"\(printable(text, limit: 100))\"" }

func shown(_ dims: [Int]) -> String { "[\(dims.map(String.init).joined(separator: ", "))]" }
