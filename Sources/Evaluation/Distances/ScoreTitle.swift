import Tensors

/// What a score is called: names that mean Inception are kept for the published network, with the way pixels were prepared;
/// any other is called by its definition and its extractor.
enum ScoreTitle {
  /// - Parameters: general: the definition's name; published: the name on the published network, by where it is read.
  static func of(
    _ general: String, on extractor: FeatureExtractorIdentity?, published: [InceptionTap: String]
  ) -> String {
    guard let extractor else { return "\(general) on features of an unknown extractor" }
    for tap in InceptionTap.allCases where InceptionWeights.isPublished(extractor, tap: tap) {
      if let name = published[tap] { return "\(name) (\(printable(extractor.modeName)))" }
    }
    return "\(general) on \(printable(extractor.name)) features"
  }
}

extension FeatureExtractorIdentity {
  /// The first word of the preparation of pixels: a mode's name where the extractor has modes.
  var modeName: String { String(mode.prefix { $0 != ":" }) }
}
