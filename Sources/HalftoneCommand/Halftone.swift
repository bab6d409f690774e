import ArgumentParser
import Foundation
import Workbench

struct Halftone: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "halftone",
    abstract: "Quantise diffusion models and sample from them, on CPUs.",
    discussion: """
      MODEL is a diffusers folder, a U-Net's folder, a checkpoint of DDIM, OpenAI's or CompVis's programs, a quantised \
      .safetensors file, or a name that 'halftone list' shows.

      Examples:
        halftone sample fashion-mnist-ddpm --count 16
        halftone quantize fashion-mnist-ddpm --recipe halftone-w8a8 --out w8a8.safetensors
        halftone compare fashion-mnist-ddpm w8a8.safetensors
        halftone demo
      """,
    version: "halftone \(halftoneVersion)",
    subcommands: [
      Sample.self, Gather.self, Cluster.self, Calibrate.self, Quantize.self, Stats.self, Fid.self, Score.self,
      Compare.self,
      Ablate.self,
      Report.self,
      Predict.self, Decode.self, Encode.self,
      Inspect.self, Convert.self, Export.self, List.self, Bench.self, Demo.self, Doctor.self, Manual.self,
    ])
}

extension ParsableCommand {
  /// What the command is given besides its own arguments.
  func session(_ common: CommonOptions) throws -> Session {
    Session(
      assets: try Assets.locate(), console: Console(quiet: common.quiet),
      arguments: ["halftone"] + CommandLine.arguments.dropFirst(), hdf5: .thisProgram,
      environment: ProcessInfo.processInfo.environment)
  }
}

/// A command that completed, but whose check failed; ends the process with that status and nothing more to say.
struct GateFailed: Error {}
