import Quantization
import Tensors

/// One embedded model of the demo: what is made of it, and how much is drawn and measured.
package struct DemoPart: Sendable {
  /// What the report calls it.
  let title: String
  /// Name under `models/`.
  let model: String
  let recipes: [(title: String, recipe: String)]
  let sampler: SamplerOptions
  let guidance: GuidanceOptions
  /// Of a latent model's decoder.
  let decoderRecipe: String?
  let size: VariantComparison.Size
  let calibrationTrajectories: Int
  /// Where in the demo's folder it stands; nil: at its top.
  let subfolder: String?
  /// Images beside each other in the picture of all variants: a row of each variant, or, where rows are classes, of each class.
  let gridColumns: Int
  let rowsAreClasses: Bool

  /// How much of the recipes' work the full demo does: a quarter costs some 1.4 dB (docs/recipes.md).
  static let share = 0.25

  static let pixelModel = "fashion-mnist-ddpm"
  static let latentModel = "fashion-mnist-ldm"
  /// The models that come with the program; both were trained on the same images.
  static let models = [pixelModel, latentModel]
  static let reference = "fashion-mnist-classifier/statistics-test.npz"

  /// Under ten minutes on two cores in all; quick, for continuous integration, under three: few steps, and too few images to judge
  /// quality by.
  static func all(isQuick: Bool) -> [DemoPart] { [pixels(isQuick: isQuick), latents(isQuick: isQuick)] }

  private static func pixels(isQuick: Bool) -> DemoPart {
    DemoPart(
      title: "Pixels", model: pixelModel,
      recipes: [
        ("W8A8, Halftone", "halftone-w8a8"), ("W4A8, Halftone", "halftone-w4a8"), ("W4A8, TFMQ-DM", "tfmq-w4a8"),
        ("W4A8, round to nearest", "rtn-w4a8"),
      ],
      sampler: SamplerOptions(name: isQuick ? "ddim-10" : "ddim-50"), guidance: GuidanceOptions(), decoderRecipe: nil,
      size: isQuick
        ? .init(images: 64, seeds: [0], comparedImages: 8, timingRounds: 3)
        : .init(images: 500, seeds: [0], comparedImages: 16, timingRounds: 9),
      calibrationTrajectories: 16, subfolder: nil, gridColumns: 12, rowsAreClasses: false)
  }

  private static func latents(isQuick: Bool) -> DemoPart {
    DemoPart(
      title: "Latents, class by class with guidance 1.5", model: latentModel,
      recipes: [("W8A8, Halftone", "halftone-w8a8"), ("W4A8, Halftone", "halftone-w4a8")],
      sampler: SamplerOptions(name: "dpmpp-2m-20", steps: isQuick ? 10 : nil), guidance: GuidanceOptions(scale: 1.5),
      decoderRecipe: DecoderQuantizer.standardRecipe,
      size: isQuick
        ? .init(images: 60, seeds: [0], comparedImages: 8, timingRounds: 3)
        : .init(images: 250, seeds: [0], comparedImages: 16, timingRounds: 9),
      calibrationTrajectories: 16, subfolder: "latent", gridColumns: 4, rowsAreClasses: true)
  }
}
