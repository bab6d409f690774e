import ArgumentParser
import Workbench

struct Halftone: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "halftone",
    abstract: "Quantise diffusion models and sample from them, on CPUs.",
    version: "halftone \(halftoneVersion)")
}
