/// How much the demo does.
package struct DemoSize: Sendable {
  package let sampler: String
  package let comparison: VariantComparison.Size
  package let calibrationTrajectories: Int

  /// How much of the recipes' work the full demo does: a quarter costs some 1.4 dB (docs/recipes.md).
  static let share = 0.25

  /// Under ten minutes on two cores.
  package static let full = DemoSize(
    sampler: "ddim-50", comparison: .init(images: 500, seeds: [0], comparedImages: 16, timingRounds: 9),
    calibrationTrajectories: 16)
  /// Under two minutes, for continuous integration: ten steps, and too few images to judge quality by.
  package static let quick = DemoSize(
    sampler: "ddim-10", comparison: .init(images: 64, seeds: [0], comparedImages: 8, timingRounds: 3),
    calibrationTrajectories: 16)
}
