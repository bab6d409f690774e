import ArgumentParser

@main struct Halftone: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "halftone")
}
