import Tensors

/// What keeps recipes from being compared with each other.
package enum AblationError: HalftoneError, Equatable {
  /// Neither recipes nor a preset, or both.
  case selection
  case unknownPreset(String, known: [String])
  case sameName([String])
  /// Recipes made for different samplers, and none was named. By recipe, its sampler.
  case samplersDiffer([String])
  /// A shard has images to draw of artefacts that other shards have not made yet. Images: those that are done.
  case waiting(recipes: [String], images: Int)

  package var id: String {
    switch self {
    case .selection: "E-ABLATE-SELECTION"
    case .unknownPreset: "E-ABLATE-PRESET"
    case .sameName: "E-ABLATE-NAME"
    case .samplersDiffer: "E-ABLATE-SAMPLER"
    case .waiting: "E-ABLATE-WAITING"
    }
  }

  package var exit: ExitStatus { if case .waiting = self { .resumable } else { .usage } }

  package var message: String {
    switch self {
    case .selection: "name either recipes or a preset"
    case .unknownPreset(let name, let known):
      "no preset \(printable(name)); there are \(known.joined(separator: ", "))"
    case .sameName(let names): "recipes of the same name would overwrite each other: \(names.joined(separator: ", "))"
    case .samplersDiffer(let recipes):
      "the recipes name different samplers:\n  " + recipes.joined(separator: "\n  ")
    case .waiting(let recipes, let images):
      "\(images) images are done; other shards have not made the artefacts of \(recipes.joined(separator: ", ")) yet"
    }
  }

  package var hint: String? {
    switch self {
    case .selection: "--recipes rtn-w8a8,halftone-w8a8, or --preset tfmq"
    case .unknownPreset, .sameName: nil
    case .waiting: "the same command goes on when they have"
    case .samplersDiffer: "choose one for all of them with --sampler"
    }
  }
}
