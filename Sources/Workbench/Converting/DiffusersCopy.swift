import Formats
import Tensors

/// A diffusers folder written again: texts as they are, every network's weights in one safetensors file under the name that
/// diffusers looks for.
struct DiffusersCopy {
  private let source: String
  private let out: String
  private let options: Checkpoint.Options
  private var converter: WeightConverter
  private(set) var notes: [String] = []

  var files: [WeightConverter.File] { converter.files }

  /// Configurations, vocabularies and the like; everything else but weights is said not to be copied.
  private static let texts = [".json", ".txt", ".model"]
  private static let textLimit = 64 << 20
  private static let averaged = "unet_ema"
  private static let network = "unet"

  /// - Parameter type: what floating-point weights become; nil for what they are.
  init(_ source: String, to out: String, type: ElementType?, options: Checkpoint.Options) throws {
    self.source = source
    self.out = out
    self.options = options
    converter = WeightConverter(type: type)
    let isPipeline = ["model_index.json", "unet/config.json", "unet_ema/config.json"].contains {
      Folder.kind(of: joined(source, $0)) == .file
    }
    guard isPipeline || Folder.kind(of: joined(source, "config.json")) == .file else {
      throw ModelSourceError.noNetwork(folder: source)
    }
  }

  mutating func run() throws {
    try copyTexts(of: source, to: out)
    for name in try Folder.names(in: source) where !name.hasPrefix(".") {
      let folder = joined(source, name)
      guard Folder.kind(of: folder) == .folder, name != Self.network, name != Self.averaged,
        !OutputPlace.isSame(folder, out)
      else { continue }
      try copyTexts(of: folder, to: joined(out, name))
      if try Self.holdsWeights(folder) { try convert(folder, to: joined(out, name)) }
    }
    if [Self.network, Self.averaged].contains(where: { Folder.kind(of: joined(source, $0)) == .folder }) {
      // Averages are written as the network, with the configuration of the network.
      let plain = joined(source, Self.network)
      let texts = Folder.kind(of: plain) == .folder ? plain : joined(source, Self.averaged)
      try copyTexts(of: texts, to: joined(out, Self.network))
      try convertNetwork(to: joined(out, Self.network))
    } else if try Self.holdsWeights(source) {
      try convertNetwork(to: out)
    }
  }

  private mutating func convertNetwork(to folder: String) throws {
    let checkpoint = try Checkpoint(source, options)
    notes += checkpoint.notes
    try converter.write(checkpoint.weights, to: joined(folder, "diffusion_pytorch_model.safetensors"))
  }

  /// Another network than the denoiser: every array, under its name.
  private mutating func convert(_ folder: String, to target: String) throws {
    let found = try WeightFolder(folder, variant: options.variant)
    notes += found.notes
    let file = try WeightFile(found.path)
    // transformers' own name where its names stand.
    let isDiffusers = stem(of: found.path).hasPrefix("diffusion_pytorch_model")
    let name = isDiffusers ? "diffusion_pytorch_model.safetensors" : "model.safetensors"
    try converter.write(file.source, to: joined(target, name))
  }

  private static func holdsWeights(_ folder: String) throws -> Bool {
    try Folder.names(in: folder).contains { name in
      [".safetensors", ".bin", ".ckpt", ".pt", ".pth"].contains { name.hasSuffix($0) }
    }
  }

  private mutating func copyTexts(of folder: String, to target: String) throws {
    try Folder.create(target)
    let listing = try Folder.listing(of: folder)
    for name in listing.unreachable where !name.hasPrefix(".") {
      notes.append("not copied: \(joined(folder, name)) (its name is not UTF-8)")
    }
    for name in listing.names where !name.hasPrefix(".") {
      let path = joined(folder, name)
      guard Folder.kind(of: path) == .file, !name.contains(".index.") else { continue }
      if Self.texts.contains(where: { name.hasSuffix($0) }) {
        try AtomicFile.write(InputFile.contents(of: path, limit: Self.textLimit), to: joined(target, name))
      } else if ![".safetensors", ".bin", ".ckpt", ".pt", ".pth"].contains(where: { name.hasSuffix($0) }) {
        notes.append("not copied: \(path)")
      }
    }
  }
}
