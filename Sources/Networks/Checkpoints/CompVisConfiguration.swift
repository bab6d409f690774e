import Tensors

/// The configuration of a latent diffusion model as CompVis' programs and those made after them keep it in YAML: what stands
/// under `model.params`. Keys of training are named in `unused`.
package struct CompVisConfiguration: Sendable {
  /// A part of the model that has a configuration of its own: its class and that class's arguments.
  package struct Component: Sendable {
    /// The class without its module: `AutoencoderKL`.
    package let name: String
    /// A map, or null without arguments.
    package let parameters: ConfigurationValue
    /// Where the arguments stand, for messages.
    package let place: String
  }

  /// What conditions the network.
  enum Conditioner: Sendable {
    case none
    /// A table of classes; whether its last row stands for none.
    case classes(count: Int?, width: Int?, lastIsUnconditional: Bool)
    /// Anything else, by its class, with the number of tokens that it makes.
    case other(name: String, tokens: Int)
  }

  let file: String
  let network: CompVisNetworkSettings
  let process: CompVisProcess
  /// Side of the latents.
  let side: Int?
  let scale: Double?
  let firstStage: Component?
  let conditioner: Conditioner
  let unused: [String]

  /// Keys of training, of logging and of how batches are made.
  private static let idle: Set<String> = [
    "log_every_t", "first_stage_key", "cond_stage_key", "cond_stage_trainable", "monitor", "use_ema",
    "num_timesteps_cond", "concat_mode", "loss_type", "ckpt_path", "ignore_keys", "load_only_unet", "clip_denoised",
    "l_simple_weight", "original_elbo_weight", "v_posterior", "learn_logvar", "logvar_init", "scheduler_config",
    "use_positional_encodings", "cond_stage_forward", "unet_trainable", "finetune_keys", "channels",
    "scale_by_std", "make_it_fit", "ucg_training", "reset_ema", "reset_num_ema_updates", "force_null_conditioning",
  ]
  /// The length of CLIP's texts, which the other encoders' programs took over.
  private static let textTokens = 77

  /// - Throws: every problem of the document at once.
  package init(_ document: CheckpointDocument) throws(ConfigurationError) {
    file = document.file
    let root = ConfigurationReader(document.value, file: document.file)
    var unused: [String] = []
    for key in ["data", "lightning"] where root.keys.contains(key) {
      root.ignore(key)
      unused.append(key)
    }
    let model = root.map("model")
    if model == nil { root.report("model", "missing; expected a map with target and params") }
    model?.ignore("base_learning_rate")
    let target = model?.string("target") ?? ""
    if model != nil, !Self.className(target).hasSuffix("LatentDiffusion") {
      model?.report("target", "expected a LatentDiffusion, found \"\(printable(target, limit: 80))\"")
    }
    let reader = model?.map("params")
    if let model, reader == nil { model.report("params", "missing; expected a map") }
    for key in reader?.keys ?? [] where Self.idle.contains(key) {
      reader?.ignore(key)
      unused.append("model.params.\(key)")
    }
    process = CompVisProcess(reader)
    side = reader.flatMap { params in
      params.optional("image_size") { params.int($0, in: 1...UNetOutline.largestImageSide) }
    }
    scale = reader.flatMap { params in params.optional("scale_factor") { params.double($0, in: 1e-6...1e6) } }
    firstStage = reader.flatMap { Self.component($0, "first_stage_config") }
    conditioner = Self.conditioner(reader)
    network = CompVisNetworkSettings(reader?.map("unet_config"), &unused)
    if let reader, reader.value("unet_config") == nil { reader.report("unet_config", "missing; expected a map") }
    if case .string(let key) = reader?.value("conditioning_key"),
      !["crossattn", "adm", "concat", "hybrid"].contains(key)
    {
      reader?.report("conditioning_key", "expected crossattn, adm, concat, hybrid or null, found \"\(printable(key))\"")
    }
    for key in ["concat", "hybrid"] where reader?.value("conditioning_key") == .string(key) {
      reader?.report(
        "conditioning_key", "\"\(key)\" is not supported: the network takes another image beside the latents")
    }
    self.unused = unused
    try root.finish()
  }

  private static func className(_ target: String) -> String { target.split(separator: ".").last.map(String.init) ?? "" }

  private static func component(_ reader: ConfigurationReader, _ key: String) -> Component? {
    guard let section = reader.map(key) else { return nil }
    let parameters = section.value("params") ?? .null
    return Component(
      name: className(section.string("target")), parameters: parameters, place: "\(section.path).params")
  }

  private static func conditioner(_ reader: ConfigurationReader?) -> Conditioner {
    guard let reader, let found = reader.value("cond_stage_config"), found != .null else { return .none }
    if case .string(let word) = found {
      if word != "__is_unconditional__" {
        reader.report(
          "cond_stage_config", "\"\(printable(word))\" is not supported, expected \"__is_unconditional__\" or a map")
      }
      return .none
    }
    guard let section = reader.map("cond_stage_config") else { return .none }
    let name = className(section.string("target"))
    guard name == "ClassEmbedder" else {
      let parameters = section.value("params") ?? .null
      let lengths = ["max_length", "max_seq_len"].compactMap { key -> Int? in
        if case .integer(let tokens)? = parameters[key], (1...LatentUNetConfiguration.mostTokens).contains(tokens) {
          return tokens
        }
        return nil
      }
      return .other(name: name, tokens: lengths.first ?? textTokens)
    }
    guard let parameters = section.map("params") else {
      return .classes(count: nil, width: nil, lastIsUnconditional: false)
    }
    parameters.ignore("key", "device")
    let width = 1...UNetOutline.largestWidth
    let dropped = parameters.double("ucg_rate", default: 0, in: 0...1)
    return .classes(
      count: parameters.optional("n_classes") { parameters.int($0, in: width) },
      width: parameters.optional("embed_dim") { parameters.int($0, in: width) }, lastIsUnconditional: dropped > 0)
  }
}

/// The noise schedule of a latent diffusion model, and what its network predicts.
struct CompVisProcess: Sendable {
  private enum Curve: String, CaseIterable { case linear, cosine, sqrtLinear = "sqrt_linear" }
  private enum Target: String, CaseIterable { case eps, x0, v }

  private let curve: Curve
  private let start: Double?
  private let end: Double?
  private let timesteps: Int?
  private let target: Target

  init(_ reader: ConfigurationReader?) {
    curve = reader?.choice("beta_schedule", default: .linear) ?? .linear
    start = reader.flatMap { section in section.optional("linear_start") { section.double($0) } }
    end = reader.flatMap { section in section.optional("linear_end") { section.double($0) } }
    timesteps = reader.flatMap { section in section.optional("timesteps") { section.int($0, in: 1...100_000) } }
    target = reader?.choice("parameterization", default: .eps) ?? .eps
    if let reader, reader.double("cosine_s", default: 8e-3) != 8e-3 {
      reader.report("cosine_s", "other offsets than 0.008 are not supported")
    }
    if let reader, let betas = reader.value("given_betas"), betas != .null {
      reader.report("given_betas", "betas of their own are not supported; give the schedule with --scheduler PATH")
    }
  }

  /// The process as a scheduler's configuration.
  func settle(_ resolver: inout HyperparameterResolver) -> ConfigurationValue? {
    let steps = resolver.settle("timesteps", configured: timesteps, standard: 1000)
    _ = resolver.settle("beta_schedule", configured: curve.rawValue)
    _ = resolver.settle("parameterization", configured: target.rawValue)
    var settings: [(String, ConfigurationValue)] = [
      ("_class_name", "DDIMScheduler"), ("num_train_timesteps", .integer(steps ?? 1000)), ("clip_sample", false),
      ("set_alpha_to_one", false), ("steps_offset", 1), ("timestep_spacing", "leading"),
      ("prediction_type", target == .eps ? "epsilon" : target == .x0 ? "sample" : "v_prediction"),
    ]
    switch curve {
    case .cosine: settings.append(("beta_schedule", "squaredcos_cap_v2"))
    case .linear, .sqrtLinear:
      // "linear" runs linearly in the square roots.
      let first = resolver.settle("linear_start", configured: start, standard: 1e-4)
      let last = resolver.settle("linear_end", configured: end, standard: 2e-2)
      guard let first, let last else { return nil }
      settings += [
        ("beta_schedule", curve == .linear ? "scaled_linear" : "linear"), ("beta_start", .number(first)),
        ("beta_end", .number(last)),
      ]
    }
    return steps == nil ? nil : .map(settings.map { .init($0.0, $0.1) })
  }
}
