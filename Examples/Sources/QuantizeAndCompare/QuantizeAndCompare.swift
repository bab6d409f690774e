import Foundation
import Halftone
import Synchronization

/// Quantises a model by two recipes and says what each costs in size and in the quality of equal images.
///
///     swift run -c release QuantizeAndCompare ASSETS [FOLDER]
@main enum QuantizeAndCompare {
  static let recipes = ["rtn-w8a8", "rtn-w4a8"]

  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let assets = arguments.first else {
      print("usage: QuantizeAndCompare ASSETS [FOLDER]")
      print("ASSETS is the folder that holds models, samplers and calib; quantised models are written to FOLDER.")
      return
    }
    let folder = arguments.dropFirst().first ?? "."
    let runtime = try Runtime(assets: assets)
    let float = try await Pipeline.open("fashion-mnist-ddpm", in: runtime)
    print("float: \(float.facts.weightsBytes) bytes")

    for recipe in recipes {
      let stages = StagePrinter()
      let quantized = try await float.quantize(
        to: "\(folder)/\(recipe).safetensors", QuantizationOptions(recipe: recipe, effort: .fast),
        progress: { stages.show($0) })
      let comparison = try await float.compare(with: quantized, SamplingOptions(count: 8, seed: 1))
      let share = Double(quantized.facts.weightsBytes) / Double(float.facts.weightsBytes)
      print("\(recipe): \(quantized.facts.weightsBytes) bytes, \(rounded(share, 3)) of the float file")
      print("  images: \(decibels(comparison.meanPeakRatio)) PSNR on average, at equal seeds")
      let worst = comparison.steps.min { ($0.ratio.number ?? .infinity) < ($1.ratio.number ?? .infinity) }
      print("  predicted noise: \(decibels(comparison.meanStepRatio)) SNR on average", terminator: "")
      print(worst.map { ", worst at timestep \(Int($0.timestep)): \(decibels($0.ratio.number))" } ?? "")
    }
  }

  static func decibels(_ number: Double?) -> String { number.map { "\(rounded($0, 1)) dB" } ?? "identical" }

  static func rounded(_ number: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", number) }
}

/// Prints the name of each stage when it begins.
final class StagePrinter: Sendable {
  private let current = Mutex("")

  func show(_ progress: WorkProgress) {
    let isNew = current.withLock { stage in
      defer { stage = progress.stage }
      return stage != progress.stage
    }
    if isNew { print("  \(progress.stage): \(progress.total) \(progress.unit)") }
  }
}
