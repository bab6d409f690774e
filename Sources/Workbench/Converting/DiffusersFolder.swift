import Diffusion
import Formats
import Graphs
import Networks
import Tensors

/// A checkpoint of another program, or what a quantised model's codes stand for, written as the diffusers folder of the same network.
struct DiffusersFolder {
  private let source: ModelSource
  private let network: ConfigurationValue
  private let process: DiffusionProcess?
  private let own: DDIMSampler?

  /// - Throws: `E-CONVERT-LAYOUT` with every property that a `UNet2DModel` cannot have.
  init(_ source: ModelSource) throws {
    let configuration = try UNetCatalog.decode(source.network, file: source.path)
    var problems: [String] = []
    if source.embedder != nil { problems.append("classes that reach the network through a context") }
    if source.pipeline.firstStage != nil || source.latent != nil { problems.append("a first stage") }
    if source.quantized?.table.features.isEmpty == false {
      problems.append("temporal features that are kept instead of computed")
    }
    let schedule = try? source.schedule
    process = schedule?.process
    own = schedule?.configuration?.ownSampler()
    if process?.schedule.definition.rescaleTimesteps == true {
      problems.append("rescaled timesteps (rescale_timesteps)")
    }
    do throws(UndescribedNetwork) {
      network = try UNet2DConfiguration(describing: configuration.plan, size: configuration.sampleSize).encoded
    } catch {
      throw ConvertError.layout(path: source.path, properties: problems + error.properties)
    }
    if !problems.isEmpty { throw ConvertError.layout(path: source.path, properties: problems) }
    self.source = source
  }

  /// Refuses a place that is no folder, where an input would be written over, or that holds a component of the pipeline that is read.
  /// - Parameter option: what chose that a folder is written.
  static func checkPlace(_ out: String, inputs: [String], option: String) throws {
    let files = Files(out)
    let written = [files.network, files.weights, files.scheduler, files.index].filter { file in
      inputs.contains { OutputPlace.isSame($0, file) }
    }
    try OutputPlace.keep(inputs, from: [out, files.networkFolder] + written)
    if Folder.kind(of: out) == .file {
      throw ConvertError.output(path: out, expected: "a folder", found: "a file", option: option)
    }
    // A copy that was made before has an index of its own.
    let parent = parentFolder(of: out)
    if Folder.kind(of: joined(out, "config.json")) != nil, Folder.kind(of: files.index) == nil,
      let pipeline = inputs.first(where: { OutputPlace.isSame($0, parent) }),
      Folder.kind(of: Files(pipeline).index) != nil
    {
      throw OutputPlaceError.part(place: out, input: pipeline)
    }
  }

  /// What is written into a folder.
  private struct Files {
    let out: String
    init(_ out: String) { self.out = out }

    var index: String { joined(out, "model_index.json") }
    var networkFolder: String { joined(out, "unet") }
    var network: String { joined(networkFolder, "config.json") }
    var weights: String { joined(networkFolder, "diffusion_pytorch_model.safetensors") }
    var schedulerFolder: String { joined(out, "scheduler") }
    var scheduler: String { joined(schedulerFolder, "scheduler_config.json") }
  }

  /// Writes the pipeline's index, the network and, where the checkpoint says one, the scheduler.
  /// - Parameter type: what floating-point weights become; nil for F32, in which they are read.
  func write(to out: String, type: ElementType?) throws -> (files: [WeightConverter.File], notes: [String]) {
    let files = Files(out)
    try Folder.create(files.networkFolder)
    var index: [ConfigurationValue.Entry] = [
      .init("_class_name", "DDPMPipeline"), .init("unet", ["diffusers", "UNet2DModel"]),
    ]
    var notes: [String] = []
    if let process {
      index.append(.init("scheduler", ["diffusers", "DDPMScheduler"]))
      try Folder.create(files.schedulerFolder)
      try AtomicFile.write(JSONWriter.pretty(scheduler(process)), to: files.scheduler)
    } else {
      notes.append("nothing says the noise schedule, so the folder has no scheduler")
    }
    try AtomicFile.write(JSONWriter.pretty(network), to: files.network)
    var converter = WeightConverter(type: type)
    let weights = DequantizedWeights(
      source.model, table: source.quantized?.table ?? QuantizationTable(), label: source.path)
    try converter.write(weights, to: files.weights)
    // Last, so that a folder that was left halfway is no pipeline.
    try AtomicFile.write(JSONWriter.pretty(.map(index)), to: files.index)
    return (converter.files, notes)
  }

  private func scheduler(_ process: DiffusionProcess) -> ConfigurationValue {
    var value = ConfigurationValue.map([.init("_class_name", "DDPMScheduler")])
    var settings = process.configuration
    if let own {
      for key in ["clip_sample", "clip_sample_range", "thresholding", "dynamic_thresholding_ratio", "sample_max_value"]
      {
        settings = settings.setting(key, own.configuration[key])
      }
      if own.recomputeEpsilon { settings = settings.setting("use_clipped_model_output", true) }
    }
    if let variance = try? source.schedule.configuration?.varianceType {
      settings = settings.setting("variance_type", .string(variance.rawValue))
    }
    if case .map(let entries) = settings { for entry in entries { value = value.setting(entry.key, entry.value) } }
    return value
  }
}
