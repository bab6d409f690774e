/// How much the demo does.
package struct DemoSize: Sendable {
  package let sampler: String
  /// Images per model that are drawn and scored.
  package let images: Int
  /// Images whose steps are compared one by one.
  package let comparedImages: Int
  package let calibrationTrajectories: Int
  package let timingRounds: Int

  /// Under ten minutes on two cores.
  package static let full = DemoSize(
    sampler: "ddim-50", images: 500, comparedImages: 16, calibrationTrajectories: 64, timingRounds: 9)
  /// Under two minutes, for continuous integration: ten steps, and too few images to judge quality by.
  package static let quick = DemoSize(
    sampler: "ddim-10", images: 64, comparedImages: 8, calibrationTrajectories: 16, timingRounds: 3)
}
