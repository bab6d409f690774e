import Foundation

/// How far predictions deviate at each step, and how trajectories drift apart.
struct StepsSection {
  private let document: ReportDocument
  init(_ document: ReportDocument) { self.document = document }

  var view: SectionView? {
    let measured = document.variants.filter { !$0.stepDecibels.isEmpty }
    if measured.isEmpty { return nil }
    var blocks = [
      BlockView.figure(
        "Epsilon SNR at each step",
        chart("Epsilon SNR at each step", "epsilon SNR, dB", measured) { $0.stepDecibels },
        caption: "Predicted noise on the float model's states; the first step is the noisiest. More is better.")
    ]
    let drifting = measured.filter { !$0.drift.isEmpty }
    if !drifting.isEmpty {
      blocks.append(
        .figure(
          "Drift of the trajectories",
          chart("Drift of the trajectories", "relative squared error, dB", drifting) {
            $0.drift.map { $0.flatMap { $0 > 0 ? 10 * log10($0) : nil } }
          }, caption: "Both models on their own states from the same noise, so that errors build up. Less is better."))
    }
    let sentences = measured.compactMap(Findings.steps(of:))
    return SectionView(
      id: "steps", title: "Steps", introduction: measured.count == 1 ? sentences : [], blocks: blocks)
  }

  private func chart(
    _ description: String, _ title: String, _ variants: [ReportVariant], _ values: (ReportVariant) -> [Double?]
  ) -> SVG {
    let longest = variants.map(\.timesteps).max { $0.count < $1.count } ?? []
    return LineChart(
      description: description, horizontalTitle: "step", verticalTitle: title,
      series: variants.map { .init(name: $0.title, values: values($0)) },
      stepNames: longest.map { "timestep \(Axis.text($0))" }
    ).drawing
  }
}
