import Evaluation
import Execution
import Formats
import Tensors

/// Which extractor, how it prepares pixels, and which file has its weights.
struct ExtractorRequest {
  let definition: ExtractorDefinition
  let mode: String?
  let path: String

  /// The name in `NAME` or `NAME=WEIGHTS`, and the file of weights; nil where none is named.
  static func parts(of text: String) -> (name: String, weights: String?) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    return (parts[0], parts.count == 2 ? parts[1] : nil)
  }

  /// - Parameters:
  ///   - text: `NAME` or `NAME=WEIGHTS`; nil for the standard extractor, which is Inception where there is a mode.
  ///   - mode: one of the extractor's modes; nil for its first.
  ///   - environment: names files of weights that `text` does not.
  init(_ text: String?, mode: String?, assets: Assets, environment: [String: String]) throws {
    let parts = text.map(Self.parts(of:))
    let standard = mode == nil ? FeatureExtractorCatalog.standard : FeatureExtractorCatalog.standardWithModes
    definition = try parts.map { try FeatureExtractorCatalog.named($0.name) } ?? standard
    if let mode, !definition.modes.contains(mode) {
      throw EvaluationError.unknownMode(mode, extractor: definition.name, known: definition.modes)
    }
    self.mode = mode
    let given = parts?.weights
    switch definition.weights {
    case .shipped(let shipped):
      if given != nil { throw ExtractorRequestError.hasWeights(definition.name) }
      path = try assets.shipped(.model, shipped)
    case .user(let variable, let source, let digest):
      let found = given ?? environment[variable]
      guard let found, !found.isEmpty else {
        throw ExtractorRequestError.needsWeights(definition.name, variable: variable, source: source, digest: digest)
      }
      path = found
    }
  }

  /// What the extractor is made from. Weights other than the published ones are taken, and said.
  func source(session: Session, compute: Compute) throws -> ExtractorSource {
    let digest = try Digest.sha256(file: path)
    if case .user(_, _, let published) = definition.weights, digest != published {
      session.console.note(
        "note: \(path) has SHA-256 \(digest), not that of the published weights; scores are not called FID")
    }
    // Shipped statistics were made with direct sums.
    let winograd = if case .user = definition.weights { true } else { false }
    return ExtractorSource(weights: try Self.weights(path), digest: "sha256:" + digest, mode: mode) {
      try FloatExecutor($0, winograd: winograd, pool: compute.pool, kernels: compute.kernels)
    }
  }

  private static func weights(_ path: String) throws -> TensorArchive {
    try TensorArchive(reading: WeightFile(path).source)
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
