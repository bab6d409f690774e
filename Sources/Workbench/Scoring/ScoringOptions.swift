import Evaluation

/// How sets of images become features: what `stats`, `fid` and `score` have in common.
package struct ScoringOptions: Sendable {
  /// `NAME` or `NAME=WEIGHTS`; nil for the standard extractor.
  package var features: String?
  /// One of the extractor's ways of preparing pixels; nil for its first.
  package var mode: String?
  /// Whether images in folders of a set count.
  package var recursive: Bool
  /// Where features of finished leaves are kept; nil: nowhere.
  package var keptFeatures: String?
  /// Where they are kept while the work lasts, without `keptFeatures`.
  var temporaryFeatures: String?

  /// The file of weights that `features` names; nil where it names none.
  var weights: String? { features.flatMap { ExtractorRequest.parts(of: $0).weights } }

  /// What `mode` can be.
  package static let modes = InceptionMode.allCases.map(\.rawValue)

  package init(
    features: String? = nil, mode: String? = nil, recursive: Bool = false, keptFeatures: String? = nil
  ) {
    self.features = features
    self.mode = mode
    self.recursive = recursive
    self.keptFeatures = keptFeatures
  }
}
