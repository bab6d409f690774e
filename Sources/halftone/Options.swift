import ArgumentParser
import Tensors
import Workbench

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(name: [.short, .long], help: "Print results and errors only.")
  var quiet = false
}

/// Options of commands that compute.
struct ThreadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to compute with (default: all processors).", valueName: "T"))
  var threads: Int = WorkerPool.processorCount

  func validate() throws {
    guard (1...1024).contains(threads) else { throw ValidationError("--threads \(threads): expected 1 to 1024") }
  }
}

/// Options of commands that sample.
struct ComputeOptions: ParsableArguments {
  @OptionGroup var threadOptions: ThreadOptions

  @Option(help: ArgumentHelp("Images per network call; changes memory and speed, never the images.", valueName: "B"))
  var batch: Int = 16

  var threads: Int { threadOptions.threads }

  func validate() throws {
    guard (1...4096).contains(batch) else { throw ValidationError("--batch \(batch): expected 1 to 4096") }
  }
}

/// Options of commands that turn images into features.
struct FeatureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Feature extractor, as 'halftone list extractors' shows them.", valueName: "NAME[=WEIGHTS]"))
  var features: String?

  @Option(
    help: ArgumentHelp(
      "How pixels are prepared for Inception: \(ScoringOptions.modes.joined(separator: ", ")) (default: the "
        + "first).",
      valueName: "MODE"))
  var mode: String?

  @Flag(help: "Read images in folders of a set too.")
  var recursive = false

  @Option(
    help: ArgumentHelp(
      "Keep features in this folder: a stopped run goes on, and the next command finds them.", valueName: "DIR"))
  var keepFeatures: String?

  var scoring: ScoringOptions {
    ScoringOptions(features: features, mode: mode, recursive: recursive, keptFeatures: keepFeatures)
  }
}

/// Options of commands that read a float model.
struct SourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Noise schedule of a float model whose folder names none, or another one.", valueName: "scheduler_config.json"))
  var scheduler: String?
}

extension QuantizationEffort: ExpressibleByArgument {}

extension IndexRange: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension GridShape: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension LabelCycle: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension CountList: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension MetricList: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}

extension ExecutorKind: ExpressibleByArgument {}
extension StatsConvertCommand.Format: ExpressibleByArgument {}
