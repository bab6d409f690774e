import Tensors

/// What the flags of improved-diffusion's or guided-diffusion's programs say: a map of flags, or a map with such a map under
/// `flags`. Values may be texts as on a command line. Flags of training and sampling are named in `unused`.
struct OpenAIFlags {
  enum Program: String {
    case improved = "improved-diffusion"
    case guided = "guided-diffusion"

    /// The multipliers that an empty `channel_mult` stands for; nil where it is not empty, or the size has none.
    fileprivate func multipliers(side: Int, _ flags: ConfigurationReader) -> [Double]? {
      guard flags.value("channel_mult") == .string("") else { return nil }
      switch (side, self) {
      case (512, .guided): return [0.5, 1, 1, 2, 2, 4, 4]
      case (256, _): return [1, 1, 2, 2, 4, 4]
      case (128, .guided): return [1, 1, 2, 3, 4]
      case (64, _): return [1, 2, 3, 4]
      case (32, .improved): return [1, 2, 2, 2]
      default: return nil
      }
    }
  }
  enum Schedule: String, CaseIterable { case linear, cosine }

  /// Which of the two programs the flags are of, as far as they tell.
  let program: Program?
  let size: SampleSize?
  let channels: Int?
  /// What is said; where that is an empty text, what the program takes for the size.
  let multipliers: [Double]?
  let layers: Int?
  let attention: [Int]?
  let heads: Int?
  let headsUpsample: Int?
  let headChannels: Int?
  let inChannels: Int?
  let learnsVariance: Bool?
  let isConditional: Bool?
  let classes: Int?
  let scalesAndShifts: Bool?
  let resamplesInBlocks: Bool?
  let resamplesByConvolution: Bool?
  let usesNewOrder: Bool?
  let timesteps: Int?
  let schedule: String?
  let predictsImage: Bool?
  let rescalesTimesteps: Bool?
  let takesSmallVariance: Bool?
  let unused: [String]

  /// Flags of training, sampling and precision.
  private static let idle: Set<String> = [
    "dropout", "use_checkpoint", "use_fp16", "timestep_respacing", "use_kl", "rescale_learned_sigmas",
    "clip_denoised", "num_samples", "batch_size", "use_ddim", "model_path", "data_dir", "schedule_sampler", "lr",
    "weight_decay", "lr_anneal_steps", "microbatch", "ema_rate", "log_interval", "save_interval", "resume_checkpoint",
    "fp16_scale_growth", "classifier_path", "classifier_scale", "classifier_use_fp16", "classifier_width",
    "classifier_depth", "classifier_attention_resolutions", "classifier_use_scale_shift_norm",
    "classifier_resblock_updown", "classifier_pool",
  ]
  private static let improvedOnly: Set<String> = ["sigma_small", "rescale_learned_sigmas"]
  private static let guidedOnly: Set<String> = [
    "num_head_channels", "resblock_updown", "use_new_attention_order", "use_fp16",
  ]

  init(_ document: CheckpointDocument) throws(ConfigurationError) {
    let root = ConfigurationReader(document.value, file: document.file)
    let reader = root.keys.contains("flags") ? root.map("flags") ?? root : root
    let flags = FlagReader(reader)
    let code = root.optional("code") { root.string($0) } ?? ""
    let keys = Set(reader.keys)
    if code.contains("improved-diffusion") {
      program = .improved
    } else if code.contains("guided-diffusion") || !keys.isDisjoint(with: Self.guidedOnly) {
      program = .guided
    } else {
      program = keys.isDisjoint(with: Self.improvedOnly) ? nil : .improved
    }
    let width = 1...UNetOutline.largestWidth
    let side = flags.int("image_size", in: 1...UNetOutline.largestImageSide)
    size = side.map { SampleSize(height: $0, width: $0) }
    channels = flags.int("num_channels", in: width)
    multipliers = flags.numbers("channel_mult") ?? side.flatMap { [program] in program?.multipliers(side: $0, reader) }
    layers = flags.int("num_res_blocks", in: 1...UNetOutline.mostLayers)
    attention = flags.ints("attention_resolutions", in: width)
    heads = flags.int("num_heads", in: width)
    headsUpsample = flags.int("num_heads_upsample", in: -1...UNetOutline.largestWidth)
    headChannels = flags.int("num_head_channels", in: -1...UNetOutline.largestWidth)
    inChannels = flags.int("in_channels", in: width)
    learnsVariance = flags.bool("learn_sigma")
    isConditional = flags.bool("class_cond")
    classes =
      reader === root
      ? flags.int("num_classes", in: width)
      : root.optional("num_classes") { root.int($0, in: width) } ?? flags.int("num_classes", in: width)
    scalesAndShifts = flags.bool("use_scale_shift_norm")
    resamplesInBlocks = flags.bool("resblock_updown")
    resamplesByConvolution = flags.bool("conv_resample")
    usesNewOrder = flags.bool("use_new_attention_order")
    timesteps = flags.int("diffusion_steps", in: 1...100_000)
    schedule = reader.optional("noise_schedule") { reader.choice($0) as Schedule }?.rawValue
    predictsImage = flags.bool("predict_xstart")
    rescalesTimesteps = flags.bool("rescale_timesteps")
    takesSmallVariance = flags.bool("sigma_small")
    unused = reader.keys.filter(Self.idle.contains)
    for key in unused { reader.ignore(key) }
    for (key, count) in [("num_heads_upsample", headsUpsample), ("num_head_channels", headChannels)] where count == 0 {
      reader.report(key, "expected -1 or a positive integer, found 0")
    }
    try root.finish()
  }
}

/// Reads flags that are values of their type, or texts as the programs' command lines take them.
private struct FlagReader {
  private let reader: ConfigurationReader

  init(_ reader: ConfigurationReader) { self.reader = reader }

  func int(_ key: String, in range: ClosedRange<Int>) -> Int? {
    read(key, "an integer from \(range.lowerBound) to \(range.upperBound)") { value in
      Self.number(value).flatMap { Int(exactly: $0) }.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// The words that the programs take for truth values.
  func bool(_ key: String) -> Bool? {
    read(key, "True or False") { value in
      switch value {
      case .bool(let flag): return flag
      case .integer(0): return false
      case .integer(1): return true
      case .string(let text):
        if ["yes", "true", "t", "y", "1"].contains(text.lowercased()) { return true }
        return ["no", "false", "f", "n", "0"].contains(text.lowercased()) ? false : nil
      case .null, .integer, .number, .list, .map: return nil
      }
    }
  }

  func ints(_ key: String, in range: ClosedRange<Int>) -> [Int]? {
    read(key, "integers from \(range.lowerBound) to \(range.upperBound), with commas between") { value in
      Self.list(value).flatMap { numbers in
        let whole = numbers.compactMap { Int(exactly: $0) }.filter(range.contains)
        return whole.count == numbers.count ? whole : nil
      }
    }
  }

  /// Positive numbers; nil where an empty text leaves them to the program.
  func numbers(_ key: String) -> [Double]? {
    if reader.value(key) == .string("") { return nil }
    return read(key, "positive numbers, with commas between") { value in
      Self.list(value).flatMap { $0.allSatisfy { $0 > 0 } ? $0 : nil }
    }
  }

  private func read<T>(_ key: String, _ expected: String, _ convert: (ConfigurationValue) -> T?) -> T? {
    guard let raw = reader.value(key), raw != .null else { return nil }
    if let value = convert(raw) { return value }
    reader.report(key, "expected \(expected), found \(raw.shown)")
    return nil
  }

  private static func number(_ value: ConfigurationValue) -> Double? {
    switch value {
    case .integer(let number): Double(number)
    case .number(let number): number.isFinite ? number : nil
    case .string(let text): Double(text.trimmingPrefix(" ")).flatMap { $0.isFinite ? $0 : nil }
    case .null, .bool, .list, .map: nil
    }
  }

  private static func list(_ value: ConfigurationValue) -> [Double]? {
    var parts: [Double?] = [number(value)]
    switch value {
    case .list(let items): parts = items.map(number)
    case .string(let text):
      parts = text.split(separator: ",", omittingEmptySubsequences: false).map { number(.string(String($0))) }
    case .null, .bool, .integer, .number, .map: break
    }
    let numbers = parts.compactMap { $0 }
    return numbers.count == parts.count && !numbers.isEmpty ? numbers : nil
  }
}
