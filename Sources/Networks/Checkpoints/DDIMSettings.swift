import Tensors

/// What a configuration of ermongroup/ddim says: sections `data`, `model` and `diffusion`. The other sections, and keys that
/// concern training, are named in `unused`.
struct DDIMSettings {
  let size: SampleSize?
  let imageChannels: Int?
  let channels: Int?
  let multipliers: [Double]?
  let layers: Int?
  let attention: [Int]?
  let inChannels: Int?
  let outChannels: Int?
  let resampling: Bool?
  let process: Process
  let unused: [String]

  /// Keys of training and of samplers' settings.
  private static let idle: [String: [String]] = [
    "data": [
      "dataset", "category", "uniform_dequantization", "gaussian_dequantization", "random_flip", "num_workers",
      "out_of_dist",
    ],
    "model": ["dropout", "ema_rate", "ema"],
  ]

  init(_ document: CheckpointDocument) throws(ConfigurationError) {
    let reader = ConfigurationReader(document.value, file: document.file)
    var unused: [String] = []
    for section in ["training", "sampling", "optim"] where reader.keys.contains(section) {
      reader.ignore(section)
      unused.append(section)
    }
    func skip(_ section: String, _ keys: ConfigurationReader?) {
      guard let keys else { return }
      for key in Self.idle[section] ?? [] where keys.keys.contains(key) {
        keys.ignore(key)
        unused.append("\(section).\(key)")
      }
    }
    let width = 1...UNetOutline.largestWidth
    let data = reader.map("data")
    skip("data", data)
    size = data.flatMap { section in
      section.optional("image_size") { section.int($0, in: 1...UNetOutline.largestImageSide) }
    }.map { SampleSize(height: $0, width: $0) }
    imageChannels = data.flatMap { section in section.optional("channels") { section.int($0, in: width) } }
    if let data {
      if data.bool("logit_transform", default: false) {
        data.report("logit_transform", "true is not supported: images would stand in another range")
      }
      if !data.bool("rescaled", default: true) {
        data.report("rescaled", "false is not supported: images would stand in [0, 1]")
      }
    }
    let model = reader.map("model")
    skip("model", model)
    if let model, model.string("type", default: "simple") != "simple" {
      model.report("type", "expected \"simple\", found \(model.value("type")?.shown ?? "null")")
    }
    channels = model.flatMap { section in section.optional("ch") { section.int($0, in: width) } }
    multipliers = model.flatMap { section in
      section.optional("ch_mult") { section.ints($0, in: width).map(Double.init) }
    }
    layers = model.flatMap { section in
      section.optional("num_res_blocks") { section.int($0, in: 1...UNetOutline.mostLayers) }
    }
    attention = model.flatMap { section in section.optional("attn_resolutions") { section.ints($0, in: width) } }
    inChannels = model.flatMap { section in section.optional("in_channels") { section.int($0, in: width) } }
    outChannels = model.flatMap { section in section.optional("out_ch") { section.int($0, in: width) } }
    resampling = model.flatMap { section in section.optional("resamp_with_conv") { section.bool($0) } }
    process = Process(reader.map("diffusion"), model: model)
    self.unused = unused + process.unused
    try reader.finish()
  }

  /// The section `diffusion`, and `var_type`.
  struct Process {
    private enum Curve: String, CaseIterable { case linear, quad, const, jsd, sigmoid }
    private enum Variance: String, CaseIterable { case fixedsmall, fixedlarge }

    private let curve: Curve?
    private let start: Double?
    private let end: Double?
    private let timesteps: Int?
    private let variance: Variance?

    /// - Parameter model: the section `model`, which says the variance of samplers that add noise.
    init(_ section: ConfigurationReader?, model: ConfigurationReader? = nil) {
      variance = model.flatMap { section in section.optional("var_type") { section.choice($0) } }
      curve = section.flatMap { section in section.optional("beta_schedule") { section.choice($0) } }
      start = section.flatMap { section in section.optional("beta_start") { section.double($0) } }
      end = section.flatMap { section in section.optional("beta_end") { section.double($0) } }
      timesteps = section.flatMap { section in
        section.optional("num_diffusion_timesteps") { section.int($0, in: 1...100_000) }
      }
    }

    /// The process as a scheduler's configuration; nil when a value is missing, which is reported.
    func settle(_ resolver: inout HyperparameterResolver) -> ConfigurationValue? {
      let ask = HyperparameterResolver.askForProcess
      _ = resolver.settle("beta_schedule", configured: curve?.rawValue, ask: ask)
      _ = resolver.settle("num_diffusion_timesteps", configured: timesteps, ask: ask)
      if takesStart { _ = resolver.settle("beta_start", configured: start, ask: ask) }
      if takesEnd { _ = resolver.settle("beta_end", configured: end, ask: ask) }
      if let variance { _ = resolver.settle("var_type", configured: variance.rawValue) }
      return scheduler
    }

    /// A constant is the last value; jsd runs 1 / T, 1 / (T - 1), …, 1.
    private var takesStart: Bool { curve != .const && curve != .jsd }
    private var takesEnd: Bool { curve != .jsd }

    /// End points that the curve does not take.
    var unused: [String] {
      (takesStart || start == nil ? [] : ["diffusion.beta_start"])
        + (takesEnd || end == nil ? [] : ["diffusion.beta_end"])
    }

    private var scheduler: ConfigurationValue? {
      guard let curve, let timesteps else { return nil }
      var betas: [(String, ConfigurationValue)] = []
      func ends(_ first: Double?, _ last: Double?, _ name: String) -> Bool {
        guard let first, let last else { return false }
        betas = [("beta_schedule", .string(name)), ("beta_start", .number(first)), ("beta_end", .number(last))]
        return true
      }
      let complete: Bool
      switch curve {
      case .linear: complete = ends(start, end, "linear")
      case .quad: complete = ends(start, end, "scaled_linear")
      case .const: complete = ends(end, end, "linear")
      case .sigmoid: complete = ends(start, end, "sigmoid")
      case .jsd:
        betas = [("trained_betas", .list((0..<timesteps).map { .number(1 / Double(timesteps - $0)) }))]
        complete = true
      }
      guard complete else { return nil }
      let settings: [(String, ConfigurationValue)] = [
        ("_class_name", "DDIMScheduler"), ("num_train_timesteps", .integer(timesteps)), ("clip_sample", false),
        ("prediction_type", "epsilon"), ("variance_type", variance == .fixedlarge ? "fixed_large" : "fixed_small"),
      ]
      return .map((settings + betas).map { .init($0.0, $0.1) })
    }
  }
}

extension ConfigurationReader {
  /// What `read` makes of `key`; nil where the key is absent or null.
  package func optional<T>(_ key: String, _ read: (String) -> T) -> T? {
    guard let raw = value(key), raw != .null else { return nil }
    return read(key)
  }
}
