import Diffusion
import Tensors

/// What keeps a path from being the model that a command needs.
package enum ModelSourceError: HalftoneError, Equatable {
  case noNetwork(folder: String)
  case noSchedule(folder: String)
  /// The schedule of a quantised model, which holds its own, given by options.
  case scheduleOfArtefact(path: String, options: [String])
  /// `own` is asked of a model whose schedule comes without settings of a sampler.
  case noOwnSampler(path: String)
  case otherComponents(path: String, names: [String])
  /// A component that a pipeline's index names and that is not there.
  case missingComponent(path: String, name: String, file: String)
  case severalFirstStages(path: String, names: [String])
  /// A pipeline's index that is no map of components.
  case badIndex(path: String, found: String)
  case notAModel(path: String)
  /// A configuration without an image size, and none on the command line.
  case noSize(path: String)
  /// A quantised model, and another size than it was made for.
  case otherSize(path: String, made: String, asked: String)
  /// Several files of weights in a folder without config.json.
  case severalCheckpoints(folder: String, found: [String])
  /// Several configurations beside a checkpoint.
  case severalConfigurations(path: String, found: [String])
  /// Options that concern other kinds of models.
  case idleOptions(path: String, options: [String], reason: String)
  case needsFloat(path: String, command: String)
  case needsQuantized(path: String, command: String)
  case noSelfTest(path: String)
  /// A class table that is malformed, or that the network beside it cannot take rows of.
  case classTable(path: String, problem: String, found: [String])
  /// A network that looks at a context, and nothing that makes one.
  case noContext(path: String, tokens: Int, width: Int)
  /// A pair of models to compare of which one was not made from the other.
  case otherSource(path: String, madeFrom: String, float: String, found: String)
  /// Per-step tables, and a sampler that takes other steps.
  case otherSteps(path: String, calibrated: [Step], asked: [Step])

  package var id: String {
    switch self {
    case .noNetwork: "E-MODEL-CONFIG"
    case .noSchedule: "E-MODEL-SCHEDULE"
    case .scheduleOfArtefact: "E-MODEL-ROLE"
    case .noOwnSampler: "E-MODEL-SAMPLER"
    case .otherComponents: "E-MODEL-PIPELINE"
    case .missingComponent: "E-MODEL-COMPONENT"
    case .severalFirstStages: "E-MODEL-AMBIGUOUS"
    case .badIndex: "E-MODEL-INDEX"
    case .notAModel: "E-MODEL-KIND"
    case .noSize, .otherSize: "E-MODEL-SIZE"
    case .severalCheckpoints, .severalConfigurations: "E-MODEL-AMBIGUOUS"
    case .idleOptions: "E-MODEL-OPTION"
    case .needsFloat, .needsQuantized: "E-MODEL-ROLE"
    case .noSelfTest: "E-MODEL-SELF-TEST"
    case .noContext, .classTable: "E-MODEL-CONTEXT"
    case .otherSource: "E-MODEL-SOURCE"
    case .otherSteps: "E-MODEL-STEPS"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .noNetwork, .noSchedule, .otherComponents, .missingComponent, .severalFirstStages, .badIndex, .notAModel,
      .severalCheckpoints, .severalConfigurations, .classTable:
      .refusedInput
    case .noSize, .otherSize, .needsFloat, .needsQuantized, .noSelfTest, .noContext, .otherSource, .otherSteps,
      .scheduleOfArtefact, .noOwnSampler, .idleOptions:
      .usage
    }
  }

  package var message: String {
    switch self {
    case .noNetwork(let folder):
      "\(printable(folder)) holds neither unet/config.json nor config.json"
    case .noSchedule(let folder):
      "\(printable(folder)) says nothing about the noise schedule: scheduler_config.json stands neither there, nor in "
        + "scheduler/, nor beside the network"
    case .scheduleOfArtefact(let path, let options):
      "\(options.joined(separator: ", ")): \(printable(path)) is quantised and holds its own noise schedule"
    case .noOwnSampler(let path):
      "\(printable(path)) has no sampler of its own: no scheduler_config.json stands with it"
    case .otherComponents(let path, let names):
      "\(printable(path)): the pipeline also needs \(listedLines(names.lazy.map { printable($0) }).joined(separator: ", ")), which is not supported"
    case .missingComponent(let path, let name, let file):
      "\(printable(path)) names the component \(name), and \(printable(file)) is not there"
    case .severalFirstStages(let path, let names):
      "\(printable(path)) has several first stages: \(names.joined(separator: ", "))"
    case .badIndex(let path, let found):
      "\(printable(path)): expected a map of the pipeline's components, found \(found)"
    case .notAModel(let path):
      "\(printable(path)) is neither a model folder nor a .safetensors file"
    case .severalCheckpoints(let folder, let found):
      "\(printable(folder)) holds several files of weights: \(found.map { printable($0) }.joined(separator: ", "))"
    case .severalConfigurations(let path, let found):
      "several configurations stand beside \(printable(path)): \(found.map { printable($0) }.joined(separator: ", "))"
    case .idleOptions(let path, let options, let reason):
      "\(printable(path)) takes no \(options.joined(separator: ", ")): \(reason)"
    case .noSize(let path):
      "\(printable(path)): sample_size is null, so the size of images is open"
    case .otherSize(let path, let made, let asked):
      "\(printable(path)) was quantised for images of \(made); --size asks for \(asked)"
    case .needsFloat(let path, let command):
      "'\(command)' needs a float model; \(printable(path)) is quantised"
    case .needsQuantized(let path, let command):
      "'\(command)' needs a quantised model; \(printable(path)) is a float model"
    case .noSelfTest(let path):
      "\(printable(path)) carries no self-test"
    case .classTable(let path, let problem, let found):
      "\(printable(path)): \(problem), found \(listedLines(found.lazy.map { printable($0) }).joined(separator: ", "))"
    case .noContext(let path, let tokens, let width):
      "\(printable(path)) is conditioned on a context of \(tokens) tokens of \(width) channels, and nothing that loads here makes one"
    case .otherSource(let path, let madeFrom, let float, let found):
      "\(printable(path)) was not made from \(printable(float)): made from \(printable(madeFrom)), given \(found)"
    case .otherSteps(let path, let calibrated, let asked):
      "\(printable(path)) has tables for each of the network calls it was calibrated for, and this sampler makes others\n"
        + "  calibrated for: \(Self.listed(calibrated))\n  asked for: \(Self.listed(asked))"
    }
  }

  package var hint: String? {
    switch self {
    case .noNetwork: "give a diffusers folder, or the folder of its U-Net"
    case .noSchedule:
      "name the file with --scheduler PATH, or say the schedule with --beta-schedule, --beta-start, --beta-end and "
        + "--train-timesteps"
    case .scheduleOfArtefact: "leave them out"
    case .noOwnSampler: "name a preset with --sampler, or the file with --scheduler PATH"
    case .otherComponents: "pipelines of a U-Net and, where it works on latents, a first stage can be sampled"
    case .missingComponent: "check that the folder is complete"
    case .severalFirstStages: "a pipeline has one, vae or vqvae"
    case .badIndex, .notAModel, .idleOptions: nil
    case .severalCheckpoints: "give the file"
    case .severalConfigurations: "name one with --config FILE"
    case .noSize: "give the size that the network was trained for: --size HxW, such as --size 32x32"
    case .otherSize: "leave --size out, or quantise the float model with that size"
    case .needsFloat: "give the model it was made from"
    case .needsQuantized: "make one with 'halftone quantize'"
    case .classTable: "a class table has one array, embedding.weight: a row of the context's width for each class"
    case .noContext: "'halftone predict' takes contexts from its input file"
    case .noSelfTest, .otherSource: nil
    case .otherSteps:
      "leave --sampler and --steps out to use the model's own, or quantise with a recipe for this sampler"
    }
  }

  private static func listed(_ steps: [Step]) -> String {
    // Where the network is told a fraction of the schedule's time, that is what the calls are told apart by.
    let shown = steps.prefix(12).map { step in
      step.networkTimestep == step.timestep
        ? "\(step.timestep)" : "\(step.timestep) (told \(Float(step.networkTimestep.value)))"
    }.joined(separator: ", ")
    return "\(steps.count) network calls, t = \(shown)\(steps.count > 12 ? ", …" : "")"
  }
}

extension ModelSourceError {
  /// Refuses options on which nothing depends; none are no problem.
  static func refuse(_ options: [String], _ path: String, _ reason: String) throws(ModelSourceError) {
    if !options.isEmpty { throw .idleOptions(path: path, options: options, reason: reason) }
  }
}
