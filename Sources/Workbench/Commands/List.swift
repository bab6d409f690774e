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
  }

  /// nil: everything.
  package var topic: Topic?
  package var json: Bool

  package init(topic: Topic?, json: Bool) {
    self.topic = topic
    self.json = json
  }

  package func run(_ session: Session) throws {
    let topics = topic.map { [$0] } ?? Topic.allCases
    let lists = topics.map { ($0.rawValue, Self.names($0, session.assets)) }
    if json {
      let entries = lists.map { ConfigurationValue.Entry($0, .list($1.map { .string($0) })) }
      return try session.console.result(json: .map(entries))
    }
    if topic != nil { return try lists[0].1.forEach { try session.console.result($0) } }
    for (title, names) in lists {
      try session.console.result("\(title): \(names.joined(separator: ", "))")
    }
  }

  private static func names(_ topic: Topic, _ assets: Assets) -> [String] {
    switch topic {
    case .models: assets.names(.model)
    case .samplers: assets.names(.sampler)
    case .recipes: assets.names(.recipe)
    case .decoderRecipes: assets.names(.decoderRecipe)
    case .extractors: FeatureExtractorCatalog.names
    case .methods: Catalog.names
    }
  }
}
