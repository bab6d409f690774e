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
  @Flag(help: "Show the paths of files instead of names.") var paths = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if paths, topic?.asset == nil {
      throw ValidationError("--paths needs a topic that stands in files: models, samplers, recipes or decoder-recipes")
    }
  }

  func run() throws { try ListCommand(topic: topic, showsPaths: paths, json: json).run(session(common)) }
}

extension ListCommand.Topic: ExpressibleByArgument {}
