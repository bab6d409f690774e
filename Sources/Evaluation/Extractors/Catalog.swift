import Tensors

/// Every feature extractor, by name. A new one is one file beside this one and one line here.
package enum FeatureExtractorCatalog {
  package static let extractors: [any FeatureExtractor.Type] = [
    FashionMNISTClassifier.self, Inception.self, InceptionTorchFidelity.self,
  ]

  /// What commands take without `--features`.
  package static let standard: any FeatureExtractor.Type = FashionMNISTClassifier.self

  package static var names: [String] { extractors.map { $0.name } }

  /// - Throws: `EvaluationError.unknownExtractor` with the names there are.
  package static func named(_ name: String) throws(EvaluationError) -> any FeatureExtractor.Type {
    guard let found = extractors.first(where: { $0.name == name }) else {
      throw .unknownExtractor(name, known: names)
    }
    return found
  }
}
