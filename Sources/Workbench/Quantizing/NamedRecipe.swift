import Formats
import Quantization
import Tensors

/// A recipe as a command line names it: by name or path, `+ptqd` behind it for corrected predictions.
package struct NamedRecipe: Sendable {
  /// What files made by it are called.
  package let name: String
  package let recipe: Recipe

  private static let corrected = "+ptqd"

  /// A recipe of a decoder.
  package init(decoder text: String, assets: Assets) throws {
    let path = try assets.path(.decoderRecipe, text)
    name = stem(of: path)
    recipe = try Recipe(YAML.read(path), file: path)
  }

  package init(_ text: String, assets: Assets) throws {
    let isCorrected = text.hasSuffix(Self.corrected)
    let path = try assets.path(.recipe, isCorrected ? String(text.dropLast(Self.corrected.count)) : text)
    var value = try YAML.read(path)
    if isCorrected { value = value.setting("correction", Recipe.Correction.usual.encode()) }
    name = stem(of: path) + (isCorrected ? Self.corrected : "")
    recipe = try Recipe(value, file: path)
  }
}
