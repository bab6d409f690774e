import Formats
import Quantization
import Tensors

/// A recipe as its author wrote it, for a reader of the report.
struct RecipeText {
  let file: String
  let text: String
  let recipe: Recipe

  /// A recipe that differs in more than this is another one.
  private static let mostChanges = 12

  /// The recipe at a path or of a shipped name.
  init?(_ name: String, assets: Assets) {
    guard let path = try? assets.path(.recipe, name), let bytes = try? InputFile.contents(of: path, limit: 1 << 20),
      let value = try? YAML.parse(bytes, file: path), let recipe = try? Recipe(value, file: path)
    else { return nil }
    file = fileName(of: path)
    text = String(decoding: bytes, as: UTF8.self)
    self.recipe = recipe
  }

  /// The shipped recipe that differs least from what a model was made by; nil where none is near.
  static func nearest(to used: Recipe, assets: Assets) -> RecipeText? {
    let known = ((try? assets.names(.recipe)) ?? []).compactMap { RecipeText($0, assets: assets) }.filter {
      $0.recipe.method == used.method && $0.recipe.weights?.bits == used.weights?.bits
        && $0.recipe.activations?.bits == used.activations?.bits
    }
    let scored = known.map { (text: $0, changes: $0.changes(to: used).count) }
    return scored.min { $0.changes < $1.changes }.flatMap { $0.changes <= mostChanges ? $0.text : nil }
  }

  /// What was used otherwise than the file says.
  private func changes(to used: Recipe) -> [String] {
    RunIdentity(used.encode()).differences(inFolder: RunIdentity(recipe.encode())).map {
      "\($0.key): \($0.found ?? "absent") -> \($0.asked ?? "absent")"
    }
  }

  func report(for used: Recipe) -> ReportRecipe {
    ReportRecipe(text: text, changes: changes(to: used), file: file)
  }
}

extension ReportRecipe {
  /// A recipe whose file nobody knows, as the model holds it.
  init(_ used: Recipe) {
    self.init(text: JSONWriter.pretty(used.encode()), changes: [], file: nil)
  }
}
