import Foundation
import Halftone

/// Draws images of every class of a model, a class a row, and writes them as one picture.
///
///     swift run -c release SampleGrid ASSETS [OUT.png] [MODEL]
@main enum SampleGrid {
  static let imagesPerClass = 4

  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let assets = arguments.first else {
      print("usage: SampleGrid ASSETS [OUT.png] [MODEL]")
      print("ASSETS is the folder that holds models, samplers and calib.")
      return
    }
    let out = arguments.dropFirst().first ?? "grid.png"
    let model = arguments.dropFirst(2).first ?? "fashion-mnist-ldm"

    let runtime = try Runtime(assets: assets, notes: { print("note: \($0)") })
    let pipeline = try await Pipeline.open(model, in: runtime)
    let facts = pipeline.facts
    print(
      "\(facts.name): \(facts.parameterCount) parameters, images \(facts.imageShape.width) x \(facts.imageShape.height)"
    )

    // Labels go in turn, so a model of ten classes shows each of them once in every ten images.
    let classes = max(facts.labels.count, 1)
    let guidance = facts.unconditionalLabel == nil ? nil : 1.5
    let options = SamplingOptions(count: classes * imagesPerClass, seed: 1, guidance: guidance, steps: 20)
    let clock = ContinuousClock()
    let began = clock.now
    var images: [Image] = []
    for try await drawn in pipeline.images(options) { images.append(drawn.image) }
    let seconds = (clock.now - began) / .seconds(1)

    // A row for each class: image k has the class k modulo their number.
    let rows = (0..<classes).flatMap { label in
      stride(from: label, to: images.count, by: classes).map { images[$0] }
    }
    try Image.grid(rows, columns: imagesPerClass).writePNG(to: out)
    let each = (1000 * seconds / Double(images.count)).rounded()
    print(
      "\(images.count) images of \(classes) classes in \(out), \(Int(each)) ms an image on \(runtime.threads) threads")
  }
}
