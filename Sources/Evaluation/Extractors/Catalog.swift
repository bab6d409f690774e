import Tensors

/// Every feature extractor, by name. A new one is one file beside this one and one line here.
package enum FeatureExtractorCatalog {
  package static let extractors: [ExtractorDefinition] =
    [FashionMNISTClassifier.definition] + InceptionTap.allCases.map(\.definition)

  /// What commands take without `--features`.
  package static let standard = FashionMNISTClassifier.definition

  /// What commands take without `--features` where pixels are to be prepared in one of `--mode`'s ways.
  package static let standardWithModes = InceptionTap.pool3.definition

  package static var names: [String] { extractors.map(\.name) }

  /// - Throws: `EvaluationError.unknownExtractor` with the names there are.
  package static func named(_ name: String) throws(EvaluationError) -> ExtractorDefinition {
    guard let found = extractors.first(where: { $0.name == name }) else {
      throw .unknownExtractor(name, known: names)
    }
    return found
  }
}
