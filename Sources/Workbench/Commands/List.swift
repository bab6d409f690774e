import Diffusion
import Evaluation
import Formats
import Quantization
import Tensors

/// `list`: the names that other commands take.
package struct ListCommand: Sendable {
  package enum Topic: String, Sendable, CaseIterable {
    case models, samplers, recipes
    case decoderRecipes = "decoder-recipes"
    case extractors, methods

    /// Of what stands in files.
    package var asset: Assets.Kind? {
      switch self {
      case .models: .model
      case .samplers: .sampler
      case .recipes: .recipe
      case .decoderRecipes: .decoderRecipe
      case .extractors, .methods: nil
      }
    }
  }

  /// nil: everything.
  package var topic: Topic?
  /// Whether paths are shown instead of names; of a topic that stands in files.
  package var showsPaths: Bool
  package var json: Bool

  package init(topic: Topic?, showsPaths: Bool = false, json: Bool) {
    self.topic = topic
    self.showsPaths = showsPaths
    self.json = json
  }

  package func run(_ session: Session) throws {
    let topics = topic.map { [$0] } ?? Topic.allCases
    let lists = try topics.map { ($0.rawValue, try names($0, session.assets)) }
    if json {
      let entries = lists.map { ConfigurationValue.Entry($0, .list($1.map { .string($0) })) }
      return try session.console.result(json: .map(entries))
    }
    if topic != nil { return try lists[0].1.forEach { try session.console.result($0) } }
    for (title, names) in lists {
      try session.console.result("\(title): \(names.joined(separator: ", "))")
    }
  }

  private func names(_ topic: Topic, _ assets: Assets) throws -> [String] {
    if let kind = topic.asset {
      let names = try assets.names(kind)
      return showsPaths ? try names.map { try assets.path(kind, $0) } : names
    }
    return topic == .extractors ? FeatureExtractorCatalog.names : Catalog.names
  }
}
