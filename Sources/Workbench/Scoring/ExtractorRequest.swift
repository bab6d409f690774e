import Evaluation
import Formats
import Foundation
import Tensors

/// Which extractor, and which file has its weights.
struct ExtractorRequest {
  let type: any FeatureExtractor.Type
  let path: String

  /// - Parameter text: `NAME` or `NAME=WEIGHTS`; nil for the standard extractor.
  init(_ text: String?, assets: Assets) throws {
    let parts = text?.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    type = try parts.map { try FeatureExtractorCatalog.named($0[0]) } ?? FeatureExtractorCatalog.standard
    let given = parts.flatMap { $0.count == 2 ? $0[1] : nil }
    switch type.weights {
    case .shipped(let shipped):
      if given != nil { throw ExtractorRequestError.hasWeights(type.name) }
      path = joined(assets.folder(.model), shipped)
    case .user(let variable, let source, let digest):
      let found = given ?? ProcessInfo.processInfo.environment[variable]
      guard let found, !found.isEmpty else {
        throw ExtractorRequestError.needsWeights(type.name, variable: variable, source: source, digest: digest)
      }
      path = found
    }
  }

  /// A PyTorch state dict (a ZIP) or a safetensors file.
  static func weights(_ path: String) throws -> TensorArchive {
    let file = try InputFile(path)
    if try file.read(at: 0, count: min(2, file.size)) == Array("PK".utf8) {
      return try PyTorchFile(file).archiveInMemory()
    }
    return try SafetensorsFile(file).archive()
  }
}

/// An extractor that cannot be made as asked for.
package enum ExtractorRequestError: HalftoneError, Equatable {
  case needsWeights(String, variable: String, source: String, digest: String)
  case hasWeights(String)

  package var id: String { "E-FEATURES-WEIGHTS" }
  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .needsWeights(let name, _, _, _): "the extractor \(name) needs a file with its weights"
    case .hasWeights(let name): "the extractor \(name) has its weights; no file can be given"
    }
  }

  package var hint: String? {
    switch self {
    case .needsWeights(let name, let variable, let source, let digest):
      "get it from \(source), SHA-256 \(digest), and give --features \(name)=PATH or \(variable)=PATH"
    case .hasWeights: nil
    }
  }
}
