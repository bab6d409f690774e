import Graphs
import Tensors

/// What can go wrong between a recipe, a model, a calibration set and an artefact.
package enum QuantizationError: HalftoneError, Equatable {
  package struct IdlePattern: Sendable, Equatable {
    package let pattern: String
    /// Layers it may have meant.
    package let near: [String]
  }
  package struct BadTensor: Sendable, Equatable {
    package let name: String
    package let problem: String
  }

  // Recipe and model
  case patterns([IdlePattern])
  /// A recipe made in memory, with a method that the catalogue lacks.
  case method(String)
  case nonFiniteWeights([String])
  /// `work`: what was being done, as in "while ranges were collected".
  case nonFiniteActivations(step: Int, work: String, sites: [String])
  /// What was made holds values that are NaN or infinite: codes' scales, corrected biases, the correction.
  case nonFiniteResult([String])
  /// A budget below what the narrowest widths cost, both as shares of the float network's.
  case budget(share: Double, least: Double)
  /// Distribution `tdac`, and a network without skip connections.
  case noMiddleBlock
  case labelOutOfRange(label: Int, classCount: Int)

  // Reconstruction
  case reconstructionMemory(needed: Int, bound: Int, samplesPerStep: Int, fitting: Int)

  /// Learned values that are NaN or infinite.
  case diverged(region: String, iteration: Int)

  // Calibration sets
  case notASet(file: String)
  case setOfOtherModel(expected: String, found: String)
  case setOfOtherShape(expected: String, found: String)
  case setOfOtherSampler(differences: [String])
  case setOfOtherDistribution(differences: [String])
  case setTooSmall(needed: Int, found: Int)
  case stepTooSmall(steps: [Int], needed: Int)

  // Artefacts
  case notAnArtefact(file: String)
  case schema(file: String, found: Int, known: Int)
  case header(ConfigurationError)
  case tensors(file: String, missing: [String], unexpected: [String], wrong: [BadTensor])
  case values(file: String, [BadTensor])
  case otherGraph(file: String, problems: [String])
  /// What was written is not what was made.
  case writtenDiffers(file: String, what: String)

  package var id: String {
    switch self {
    case .patterns: "E-RECIPE-PATTERN"
    case .method: "E-RECIPE-METHOD"
    case .nonFiniteWeights: "E-QUANT-WEIGHT"
    case .nonFiniteActivations: "E-QUANT-ACTIVATION"
    case .nonFiniteResult: "E-QUANT-RESULT"
    case .budget: "E-QUANT-BUDGET"
    case .noMiddleBlock: "E-CAL-MIDDLE"
    case .labelOutOfRange: "E-CAL-LABEL"
    case .reconstructionMemory: "E-RECON-MEMORY"
    case .diverged: "E-RECON-DIVERGED"
    case .notASet: "E-CAL-KIND"
    case .setOfOtherModel: "E-CAL-MODEL"
    case .setOfOtherShape: "E-CAL-SHAPE"
    case .setOfOtherSampler: "E-CAL-SAMPLER"
    case .setOfOtherDistribution: "E-CAL-DISTRIBUTION"
    case .setTooSmall, .stepTooSmall: "E-CAL-SMALL"
    case .notAnArtefact: "E-QM-KIND"
    case .schema: "E-SCHEMA"
    case .header: "E-QM-HEADER"
    case .tensors: "E-QM-TENSORS"
    case .values: "E-QM-VALUES"
    case .otherGraph: "E-QM-GRAPH"
    case .writtenDiffers: "E-QM-WRITTEN"
    }
  }

  package var exit: ExitStatus { if case .writtenDiffers = self { .resource } else { .refusedInput } }

  package var message: String {
    switch self {
    case .patterns(let idle):
      Self.list(
        "float_layers match nothing in this model",
        idle.map { "\(printable($0.pattern)) (near: \($0.near.joined(separator: ", ")))" })
    case .method(let name):
      "no method \"\(printable(name))\"; expected one of \(Catalog.names.joined(separator: ", "))"
    case .nonFiniteWeights(let names):
      Self.list("weights that are NaN or infinite cannot be quantised", names)
    case .nonFiniteActivations(let step, let work, let sites):
      Self.list("NaN or infinite activations at sampling step \(step) while \(work)", sites)
    case .nonFiniteResult(let places):
      Self.list("quantising ended in values that no quantised model can hold", places)
    case .budget(let share, let least):
      "mixed_precision.share is \(Self.thousandths(share)), and the narrowest widths cost \(Self.thousandths(least)) of the float network"
    case .noMiddleBlock:
      "distribution tdac compares the features of the middle block, and the network has none: nothing is concatenated"
    case .labelOutOfRange(let label, let count):
      "calibration.labels names class \(label), the model has classes 0 to \(count - 1)"
    case .reconstructionMemory(let needed, let bound, let samples, _):
      "reconstruction keeps \(Self.mebibytes(needed)) of values for \(samples) samples per step, more than the "
        + "\(Self.mebibytes(bound)) of reconstruction.memory_mib"
    case .diverged(let region, let iteration):
      "\(region): what is learned was NaN or infinite by iteration \(iteration)"
    case .notASet(let file):
      "\(file) is not a calibration set of Halftone: it names no such schema"
    case .setOfOtherModel(let expected, let found):
      "the calibration set was made with another model: it names \(printable(found)), this model is \(expected)"
    case .setOfOtherShape(let expected, let found):
      "the calibration set holds images of \(found), the model takes \(expected)"
    case .setOfOtherSampler(let differences):
      Self.list("the calibration set was made with another sampler", differences)
    case .setOfOtherDistribution(let differences):
      Self.list("the calibration set was drawn otherwise than the recipe says", differences)
    case .setTooSmall(let needed, let found):
      "the calibration set holds \(found) trajectories, the recipe asks for \(needed)"
    case .stepTooSmall(let steps, let needed):
      "the calibration set holds fewer than \(needed) samples at sampling steps \(Self.ranges(steps))"
    case .notAnArtefact(let file):
      "\(file) is not a quantised model of Halftone: its metadata names no such schema"
    case .schema(let file, let found, let known):
      "\(file) has schema version \(found), this program knows version \(known)"
    case .header(let error):
      error.message
    case .tensors(let file, let missing, let unexpected, let wrong):
      Self.list(
        "\(file): the arrays do not fit the header",
        missing.map { "missing: \(printable($0))" } + unexpected.map { "unexpected: \(printable($0))" }
          + wrong.map { "\(printable($0.name)): \($0.problem)" })
    case .values(let file, let bad):
      Self.list("\(file): values that no quantised model can hold", bad.map { "\(printable($0.name)): \($0.problem)" })
    case .writtenDiffers(let file, let what):
      "\(printable(file)) was not kept: \(what)"
    case .otherGraph(let file, let problems):
      Self.list("\(file): the artefact does not fit the network that it names", problems)
    }
  }

  package var hint: String? {
    switch self {
    case .patterns: "list the layers with 'halftone inspect MODEL --layers'"
    case .setOfOtherModel, .setOfOtherShape, .setOfOtherSampler, .setOfOtherDistribution, .setTooSmall, .stepTooSmall:
      "make a set for this model and recipe with 'halftone calibrate'"
    case .schema(_, let found, let known) where found > known: "open it with a newer version of Halftone"
    case .nonFiniteWeights, .nonFiniteActivations:
      "check the checkpoint; leave the layers in float with float_layers"
    case .diverged, .nonFiniteResult:
      "lower the recipe's learning rates, or leave the layers in float with float_layers"
    case .budget: "allow narrower widths, or leave fewer layers float"
    case .reconstructionMemory(_, _, _, let fitting):
      fitting > 0
        ? "set reconstruction.samples_per_step to \(fitting) or less, or raise the bound"
        : "raise reconstruction.memory_mib, or lower reconstruction.batch"
    case .method, .noMiddleBlock, .labelOutOfRange, .notASet, .notAnArtefact, .schema, .header, .tensors,
      .values,
      .otherGraph:
      nil
    case .writtenDiffers: "look at the disk and the memory of this machine, and run the same command again"
    }
  }

  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }

  /// 0.1304 as 0.131: rounded up, so that what is asked for suffices.
  private static func thousandths(_ value: Double) -> String { "\((value * 1000).rounded(.up) / 1000)" }

  private static func list(_ title: String, _ items: [String]) -> String { "\(title):\n  " + listed(items) }

  /// 0, 1, 2, 5 as "0-2, 5".
  private static func ranges(_ steps: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for step in steps.sorted() {
      if let last = runs.last, step == last.upperBound + 1 {
        runs[runs.count - 1] = last.lowerBound...step
      } else {
        runs.append(step...step)
      }
    }
    return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
  }
}
