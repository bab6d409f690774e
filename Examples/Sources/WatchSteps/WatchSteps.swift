import Foundation
import Halftone

/// Watches one image come out of the noise: what it is predicted to be at every step, and how much that still changes.
///
///     swift run -c release WatchSteps ASSETS [OUT.png]
@main enum WatchSteps {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let assets = arguments.first else {
      print("usage: WatchSteps ASSETS [OUT.png]")
      print("ASSETS is the folder that holds models, samplers and calib.")
      return
    }
    let out = arguments.dropFirst().first ?? "steps.png"
    let pipeline = try await Pipeline.open("fashion-mnist-ddpm", in: Runtime(assets: assets))

    var predictions: [SampleBatch] = []
    print("step  timestep  change of the predicted image")
    for try await event in pipeline.sampling(SamplingOptions(count: 1, seed: 4, sampler: "ddim-20")) {
      switch event {
      case .step(let step):
        let change = predictions.last.map { rootMeanSquare(step.predicted.values, $0.values) }
        print(
          pad("\(step.index + 1)", 4), pad("\(Int(step.timestep))", 9),
          change.map { "  " + String(format: "%.4f ", $0) + String(repeating: "#", count: Int($0 * 100)) } ?? "  -")
        predictions.append(step.predicted)
      case .image(let image):
        try Image.grid(predictions.map { $0.image(0) } + [image.image], columns: 7).writePNG(to: out)
        print("the predictions, and the image at the end: \(out)")
      }
    }
  }

  static func rootMeanSquare(_ a: [Float], _ b: [Float]) -> Double {
    let sum = zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    return (sum / Double(max(a.count, 1))).squareRoot()
  }

  static func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(width - text.count, 0)) + text
  }
}
