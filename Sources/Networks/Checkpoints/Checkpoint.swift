import Diffusion
import Tensors

/// What the user may say of a network whose checkpoint does not tell; nil where nothing is said.
package struct CheckpointOptions: Sendable, Equatable {
  /// Height and width of the images.
  package var size: SampleSize?
  /// Attention heads of every block.
  package var heads: Int?
  /// Channels of each attention head.
  package var headChannels: Int?
  package var qkvOrder: QKVOrder?
  /// Which row of a table of classes stands for no class.
  package var unconditional: UnconditionalRow?

  package init(
    size: SampleSize? = nil, heads: Int? = nil, headChannels: Int? = nil, qkvOrder: QKVOrder? = nil,
    unconditional: UnconditionalRow? = nil
  ) {
    self.unconditional = unconditional
    self.size = size
    self.heads = heads
    self.headChannels = headChannels
    self.qkvOrder = qkvOrder
  }

  /// The options that say something, as on the command line.
  package var said: [String] {
    [
      ("--size", size != nil), ("--heads", heads != nil), ("--head-channels", headChannels != nil),
      ("--qkv-order", qkvOrder != nil), ("--unconditional", unconditional != nil),
    ].filter(\.1).map(\.0)
  }
}

/// The row of a table of classes that stands for no class, as `--unconditional` says it: a number, or `none`.
package enum UnconditionalRow: Sendable, Equatable {
  case none
  case row(Int)

  package init?(_ text: String) {
    if text == "none" {
      self = .none
    } else if let row = Int(text), row >= 0 {
      self = .row(row)
    } else {
      return nil
    }
  }
}

/// How one array holds the queries, keys and values of several heads along its first axis.
package enum QKVOrder: String, Sendable, CaseIterable {
  /// Head by head, in each its queries, keys and values.
  case legacy
  /// All queries, all keys, all values, in each head by head (`use_new_attention_order`).
  case new
}

/// A configuration that stands beside a checkpoint or was named.
package struct CheckpointDocument: Sendable {
  /// What messages call the file.
  package let file: String
  package let value: ConfigurationValue

  package init(file: String, value: ConfigurationValue) {
    self.file = file
    self.value = value
  }
}

/// What a checkpoint's configuration says about the noise schedule and what the network predicts.
package enum CheckpointProcess: Sendable {
  /// The same, as a scheduler's configuration in diffusers' words.
  case stated(ConfigurationValue)
  /// What is missing; commands that only call the network need none.
  case unknown(CheckpointError)

  package var value: ConfigurationValue? { if case .stated(let value) = self { value } else { nil } }
  package var problem: CheckpointError? { if case .unknown(let problem) = self { problem } else { nil } }
}

/// What a checkpoint turned out to be: everything needed to build its network and load its weights.
package struct CheckpointReading: Sendable {
  /// What reports call the kind of checkpoint.
  package let family: String
  package let configuration: any UNetConfiguration
  package let layout: any WeightLayout
  package let hyperparameters: [Hyperparameter]
  package let process: CheckpointProcess
  /// Keys of the configuration that have no meaning here: training, data, samplers.
  package let unused: [String]
  /// What turns a class label into the context that the network takes; nil where nothing beside the network does.
  package var conditioner: ClassEmbedder?
  /// The space that the network works in, where it is that of a first stage.
  package var latent: LatentSpace?
}

/// What a checkpoint says of the space that a latent model's network works in.
package struct LatentSpace: Sendable {
  /// Latents are the first stage's times this.
  package let scale: Double
  /// The first stage's configuration; nil where nothing says it.
  package let firstStage: CompVisConfiguration.Component?

  package init(scale: Double, firstStage: CompVisConfiguration.Component?) {
    self.scale = scale
    self.firstStage = firstStage
  }
}

/// Weights, and what else their container holds beside the network, by what it is called there.
package struct CheckpointContents: Sendable {
  package let network: any WeightSource
  package let groups: [String: any WeightSource]

  package init(_ network: any WeightSource, groups: [String: any WeightSource] = [:]) {
    self.network = network
    self.groups = groups
  }
}

/// A kind of checkpoint: how it is recognised and read.
package protocol CheckpointFamily: Sendable {
  static var name: String { get }
  /// Arrays that every checkpoint of the kind has.
  static var landmarks: [String] { get }
  /// Whether a container with all landmarks is of this kind.
  static func fits(_ contents: CheckpointContents, document: CheckpointDocument?) -> Bool
  /// - Parameter contents: their network has all landmarks.
  /// - Throws: `ConfigurationError` for a malformed document, `CheckpointError` with every contradiction and everything
  ///   that nobody tells.
  static func read(
    _ contents: CheckpointContents, document: CheckpointDocument?, options: CheckpointOptions
  ) throws -> CheckpointReading
}

extension CheckpointFamily {
  static func fits(_ contents: CheckpointContents, document: CheckpointDocument?) -> Bool { true }
}

/// Every kind of checkpoint that loads. A new one is one file beside this one and one line here.
package enum CheckpointCatalog {
  package static let families: [any CheckpointFamily.Type] = [
    DDIMCheckpoint.self, LatentCheckpoint.self, OpenAICheckpoint.self,
  ]

  /// - Throws: `CheckpointError` when the weights are of no family here, and what the family's `read` throws.
  package static func read(
    _ contents: CheckpointContents, document: CheckpointDocument?, options: CheckpointOptions
  ) throws -> CheckpointReading {
    let source = contents.network
    if let kind = ForeignCheckpoint(source) {
      throw CheckpointError.unsupported(file: source.label, kind: kind.text)
    }
    func missing(_ family: any CheckpointFamily.Type) -> [String] {
      family.landmarks.filter { source.entry($0) == nil }
    }
    let family = families.first { missing($0).isEmpty && $0.fits(contents, document: document) }
    guard let family else {
      let nearest = families.min { missing($0).count < missing($1).count }
      let partial = nearest.flatMap { family -> CheckpointError.Partial? in
        let lacking = missing(family)
        let found = family.landmarks.filter { source.entry($0) != nil }
        return found.isEmpty ? nil : .init(family: family.name, found: found, missing: lacking)
      }
      throw CheckpointError.unknown(
        file: source.label, families: families.map { $0.name }, nearest: partial,
        examples: source.entries.prefix(5).map(\.name), count: source.entries.count)
    }
    let reading = try family.read(contents, document: document, options: options)
    if options.unconditional != nil, reading.conditioner == nil {
      throw CheckpointError.hyperparameters(
        file: source.label, family: family.name,
        problems: ["--unconditional: no table of classes stands beside the network"])
    }
    return reading
  }
}
