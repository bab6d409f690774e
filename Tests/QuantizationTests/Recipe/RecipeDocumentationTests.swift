import Formats
import Foundation
import Quantization
import Tensors
import TestSupport
import Testing

/// docs/recipes.md against the recipes that are shipped and the names that decoding knows.
@Suite struct RecipeDocumentationTests {
  private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func documentation() throws -> String {
    try String(contentsOf: root.appending(path: "docs/recipes.md"), encoding: .utf8)
  }

  @Test("every key of every recipe is explained") func keys() throws {
    let text = try documentation()
    let folders = ["calib", "calib/decoders"].map { root.appending(path: $0).path }
    let files = try folders.flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }.sorted()
        .map { "\(folder)/\($0)" }
    }
    #expect(files.count > 40)
    for file in files {
      let recipe = try YAML.read(file)
      for key in Set(Self.keys(of: recipe)).sorted() { #expect(text.contains("`\(key)`"), "\(file): \(key)") }
    }
  }

  @Test("every choice has its name there") func choices() throws {
    let text = try documentation()
    let names =
      Catalog.names + RangeEstimator.allCases.map(\.rawValue) + Recipe.ActivationTables.allCases.map(\.rawValue)
      + Recipe.SplitInputs.allCases.map(\.rawValue) + Recipe.Upstream.allCases.map(\.rawValue)
      + Recipe.AttentionProducts.allCases.map(\.rawValue) + Recipe.Probabilities.allCases.map(\.rawValue)
      + Recipe.Branches.allCases.map(\.rawValue) + Recipe.ColumnOrder.allCases.map(\.rawValue)
      + Recipe.RoundingUpstream.allCases.map(\.rawValue) + Recipe.Relaxation.allCases.map(\.rawValue)
      + Recipe.ReconstructionUpstream.allCases.map(\.rawValue) + Recipe.ReconstructionLoss.allCases.map(\.rawValue)
      + Recipe.Budget.allCases.map(\.rawValue) + Recipe.Distribution.Kind.allCases.map(\.rawValue)
      + Recipe.Pairing.allCases.map(\.rawValue)
    for name in names { #expect(text.contains("`\(name)`"), "\(name)") }
  }

  private static func keys(of value: ConfigurationValue) -> [String] {
    guard case .map(let entries) = value else { return [] }
    return entries.flatMap { [$0.key] + keys(of: $0.value) }
  }
}
