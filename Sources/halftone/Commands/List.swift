import ArgumentParser
import Workbench

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the names of models, samplers, recipes, feature extractors and methods.",
    discussion: """
      Example:
        halftone list samplers
      """)

  @Argument(help: "What to list (default: everything).") var topic: ListCommand.Topic?
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func run() throws { try ListCommand(topic: topic, json: json).run(session(common)) }
}

extension ListCommand.Topic: ExpressibleByArgument {}
