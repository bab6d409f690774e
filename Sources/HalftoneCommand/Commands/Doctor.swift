import ArgumentParser
import Workbench

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what the program runs on and with, what is broken, and what would be slow and why.",
    discussion: """
      Exit status 1 when something that the program needs is missing.

      Example:
        halftone doctor
      """)

  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let assets = Result { try Assets.locate() }.mapError { $0 as any Error }
    if try DoctorCommand(json: json).run(assets: assets, Console(quiet: common.quiet)) == .gateFailed {
      throw GateFailed()
    }
  }
}
