import Tensors

/// What a configuration of CompVis's latent-diffusion says of a first stage: the section `first_stage_config` of a diffusion model,
/// or the model itself. The other sections belong to other networks.
struct FirstStageSettings {
  enum Kind: String {
    case gaussian = "AutoencoderKL"
    case codebook = "VQModel"
  }
  enum AttentionType: String, CaseIterable {
    case vanilla, none
    /// The same attention computed by another library.
    case xformers = "vanilla-xformers"

    var name: String { self == .none ? rawValue : Self.vanilla.rawValue }
  }

  /// nil where the class says neither.
  let kind: Kind?
  let latentChannels: Int?
  let codes: Int?
  let innerChannels: Int?
  let doublesChannels: Bool?
  let resolution: Int?
  let inChannels: Int?
  let outChannels: Int?
  let channels: Int?
  let multipliers: [Double]?
  let layers: Int?
  let attention: [Int]?
  let attentionType: AttentionType?
  let resampling: Bool?
  /// Of the diffusion model, where the configuration is one's.
  let scaleFactor: Double?
  let scalesByDeviation: Bool
  let unused: [String]

  /// Keys of training, its losses, and of how images are shown.
  private static let idle = [
    "lossconfig", "monitor", "ckpt_path", "ignore_keys", "image_key", "colorize_nlabels", "remap", "sane_index_shape",
    "batch_resize_range", "scheduler_config", "lr_g_factor", "use_ema",
  ]

  /// - Parameter isAlone: whether the checkpoint is a first stage's; its configuration may be a diffusion model's all the same.
  init(_ document: CheckpointDocument, isAlone: Bool) throws(ConfigurationError) {
    let model = document.value["model"] ?? document.value
    let stage = model["params"]?["first_stage_config"]
    var place = document.value["model"] == nil ? "" : "model"
    if stage != nil { place += (place.isEmpty ? "" : ".") + "params.first_stage_config" }
    let alone: ConfigurationValue? = isAlone ? .some(model) : .none
    guard let section = stage ?? alone else {
      throw ConfigurationError(
        problems: [.init(path: document.file, text: "no section model.params.first_stage_config")])
    }
    let reader = ConfigurationReader(section, file: place.isEmpty ? document.file : "\(document.file): \(place)")
    reader.ignore("base_learning_rate")
    let target = reader.optional("target") { reader.string($0) }?.split(separator: ".").last ?? ""
    switch target {
    case "AutoencoderKL": kind = .gaussian
    case "VQModel", "VQModelInterface": kind = .codebook
    default: kind = nil
    }
    if kind == nil, !target.isEmpty {
      reader.report("target", "expected AutoencoderKL, VQModel or VQModelInterface, found \(printable(String(target)))")
    }
    let width = AutoencoderConfiguration.width
    let params = reader.map("params")
    if params == nil { reader.report("params", "missing; expected a map") }
    func value<T>(_ reader: ConfigurationReader?, _ key: String, _ read: (ConfigurationReader, String) -> T) -> T? {
      reader.flatMap { reader in reader.optional(key) { read(reader, $0) } }
    }
    latentChannels = value(params, "embed_dim") { $0.int($1, in: width) }
    codes = value(params, "n_embed") { $0.int($1, in: width) }
    var unused: [String] = []
    for key in Self.idle where params?.keys.contains(key) == true {
      params?.ignore(key)
      unused.append(key)
    }
    let network = params?.map("ddconfig")
    innerChannels = value(network, "z_channels") { $0.int($1, in: width) }
    doublesChannels = value(network, "double_z") { $0.bool($1) }
    resolution = value(network, "resolution") { $0.int($1, in: 1...UNetOutline.largestImageSide) }
    inChannels = value(network, "in_channels") { $0.int($1, in: width) }
    outChannels = value(network, "out_ch") { $0.int($1, in: width) }
    channels = value(network, "ch") { $0.int($1, in: width) }
    multipliers = value(network, "ch_mult") { $0.ints($1, in: width).map(Double.init) }
    layers = value(network, "num_res_blocks") { $0.int($1, in: 1...UNetOutline.mostLayers) }
    attention = value(network, "attn_resolutions") { $0.ints($1, in: width) }
    attentionType = value(network, "attn_type") { $0.choice($1) }
    resampling = value(network, "resamp_with_conv") { $0.bool($1) }
    if let network {
      if network.keys.contains("dropout") { unused.append("ddconfig.dropout") }
      network.ignore("dropout")
      for key in ["tanh_out", "give_pre_end", "use_linear_attn"] where network.bool(key, default: false) {
        network.report(key, "true is not supported")
      }
    }
    let diffusion: ConfigurationValue? = stage == nil || isAlone ? .none : model["params"]
    scaleFactor = Self.number(diffusion?["scale_factor"])
    if scaleFactor == nil, let found = diffusion?["scale_factor"], found != .null {
      reader.report(nil, "beside it, scale_factor: expected a number, found \(found.shown)")
    }
    scalesByDeviation = diffusion?["scale_by_std"] == .bool(true)
    self.unused = unused
    try reader.finish()
  }

  private static func number(_ value: ConfigurationValue?) -> Double? {
    switch value {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }
}
