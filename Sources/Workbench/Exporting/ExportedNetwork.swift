import Diffusion
import Exports
import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// One network of a model, and what an exported file says of it.
struct ExportedNetwork {
  /// What messages call the model.
  let path: String
  let component: String
  let digest: String
  let model: Model
  let table: QuantizationTable
  /// What turns labels into the contexts that a denoiser takes.
  let embedder: ClassEmbedder?
  /// Of a denoiser.
  private let source: ModelSource?
  /// Of a first stage.
  private let stage: (any FirstStageConfiguration)?

  /// A model's denoiser.
  init(_ source: ModelSource) {
    path = source.path
    component = "denoiser"
    digest = source.digest
    model = source.model
    table = source.quantized?.table ?? QuantizationTable()
    embedder = source.embedder
    self.source = source
    stage = nil
  }

  /// A network of a first stage, for the latents of `--size`, or of the size that the denoiser works on.
  init(_ side: FirstStageSide, of text: String, _ options: ModelOptions, _ session: Session) throws {
    let path = try session.assets.path(.model, text)
    let found: FirstStageSource
    let latent: SampleSize
    if let alone = try FirstStageSource.alone(path, options) {
      session.console.notes(alone.notes)
      guard let size = options.size else { throw ExportOptionError.noSize(path: path) }
      found = alone
      guard let divided = alone.configuration.latentSize(of: size) else {
        throw FirstStageError.size(what: "--size", size: size, factor: alone.configuration.factor)
      }
      latent = divided
    } else {
      let source = try session.open(text, options)
      guard let stage = source.pipeline.firstStage else {
        throw FirstStageError.missing(path: path, side: side, holds: "a denoiser alone")
      }
      found = stage
      let sample = source.model.graph.imageShape
      latent = SampleSize(height: sample.height, width: sample.width)
    }
    let network = try found.network(side)
    self.path = found.path
    component = side.rawValue
    digest = network.digest
    model = try network.model(latent: latent)
    table = network.table
    embedder = nil
    source = nil
    stage = found.configuration
  }

  // MARK: Steps

  /// The steps that a file serves, checked against those that the model was calibrated for.
  /// - Throws: where nothing depends on the step, or there are no such steps.
  func steps(_ range: StepRange?, form: ONNXForm?) throws -> ClosedRange<Int>? {
    guard let range else { return nil }
    let rows = (form == .float ? [] : table.activations.values.map(\.key)) + table.features.values.map(\.key)
    guard rows.contains(where: { $0.rowsPerStep != nil }), let count = source?.quantized?.steps.count else {
      throw ModelSourceError.idleOptions(
        path: path, options: ["--steps"], reason: "nothing that is exported depends on the sampling step")
    }
    guard range.bounds.upperBound < count else {
      throw ExportOptionError.steps(path: path, asked: range.description, count: count)
    }
    return range.bounds
  }

  // MARK: What a file says

  /// Text entries of an ONNX file, by key.
  func metadata(_ options: ONNXOptions) -> [(key: String, value: String)] {
    var entries = [("component", component), ("digest", digest), ("form", options.form.rawValue)]
    if let source {
      entries.append(("model", source.name))
      if let process = try? source.process { entries.append(("process", JSONWriter.compact(process.configuration))) }
      if let quantized = source.quantized {
        entries.append(("recipe", JSONWriter.compact(quantized.recipe.encode())))
        entries.append(("sampler", JSONWriter.compact(quantized.sampler)))
        let served = options.steps ?? 0...max(quantized.steps.count - 1, 0)
        let told = quantized.steps[served].map { ConfigurationValue.number($0.networkTimestep.value) }
        entries.append(("first_step", String(served.lowerBound)))
        entries.append(("timesteps", JSONWriter.compact(.list(told))))
      }
      if let row = embedder?.unconditional { entries.append(("unconditional_label", String(row))) }
      if let scale = source.pipeline.firstStage?.configuration.scale?.factor ?? source.latent?.scale {
        entries.append(("latent_scale", "\(scale)"))
      }
    }
    if let scale = stage?.scale {
      entries += [("latent_scale", "\(scale.factor)"), ("latent_shift", "\(scale.shift)")]
    }
    return entries.map { (key: "halftone." + $0.0, value: $0.1) }
  }

  static let correctionNote =
    "the model's correction of predictions (PTQD) belongs to sampling and is not part of the export"

  /// What of the model the file does not have.
  func notes(_ options: ONNXOptions) -> [String] {
    var notes: [String] = []
    if source?.quantized?.correction != nil { notes.append(Self.correctionNote) }
    if options.form == .float, !table.activations.isEmpty {
      notes.append("activations are float in the file, weights are the values that their codes stand for")
    }
    if component == FirstStageSide.decoder.rawValue, let stage {
      switch stage.form {
      case .gaussian: break
      case .codebook: notes.append("x is what the codebook has made of latents; the codebook is not part of the export")
      case .bounded: notes.append("x is what the bound of latents has made of them; it is not part of the export")
      }
    }
    return notes
  }
}

/// A range of sampling steps on the command line: `0-9`, or one.
package typealias StepRange = IndexRange

/// What is wrong with an export's options.
package enum ExportOptionError: HalftoneError, Equatable {
  case steps(path: String, asked: String, count: Int)
  case noSize(path: String)

  package var id: String {
    switch self {
    case .steps: "E-EXPORT-STEPS"
    case .noSize: "E-EXPORT-LATENT"
    }
  }

  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .steps(let path, let asked, let count):
      "--steps \(asked): \(printable(path)) has tables for the steps 0-\(count - 1)"
    case .noSize(let path):
      "\(printable(path)) is a first stage by itself, so the size that its graph is to have is open"
    }
  }

  package var hint: String? {
    switch self {
    case .steps: nil
    case .noSize: "give the size of images with --size HxW"
    }
  }
}
