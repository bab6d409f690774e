import Graphs
import Tensors

/// What an encoder says of an image, and what its decoder wants.
package enum LatentForm: Sendable, Equatable {
  /// A normal distribution (Kingma & Welling 2014): channels of means, then as many of log variances. The decoder takes a value.
  case gaussian
  /// Vectors that the decoder replaces by the nearest of `codes` learned ones (van den Oord et al. 2017, section 3.1).
  case codebook(codes: Int)
  /// Values, which the decoder limits to `bound` tanh(z / bound).
  case bounded(by: Double)
}

/// The affine map between the values of a first stage and the latents that a denoiser works on:
/// latent = (z - shift) factor.
package struct LatentScale: Sendable, Equatable {
  package var factor: Double
  package var shift: Double

  package init(factor: Double, shift: Double = 0) {
    self.factor = factor
    self.shift = shift
  }

  package static let identity = LatentScale(factor: 1)

  /// Latents of the first stage's values.
  package func latents(_ z: Tensor) -> Tensor {
    self == .identity ? z : Tensor(z.dims, z.values.map { Float((Double($0) - shift) * factor) })
  }

  /// The first stage's values of latents.
  package func values(_ latents: Tensor) -> Tensor {
    self == .identity ? latents : Tensor(latents.dims, latents.values.map { Float(Double($0) / factor + shift) })
  }
}

/// One of the two networks of a first stage.
package enum FirstStageSide: String, Sendable, CaseIterable {
  /// From images to latents.
  case encoder
  /// From latents to images.
  case decoder
}

/// A first stage: the autoencoder between images and the latents of a diffusion model (Rombach et al. 2022, section 3.1). Nodes and
/// parameters are named as diffusers names the modules of its autoencoders.
package protocol FirstStageConfiguration: Sendable {
  /// What `_class_name` says where the configuration is stored.
  static var className: String { get }
  /// Reads what `encoded` wrote, or a config.json of that class.
  /// - Throws: every problem of the document at once, each with its path.
  static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self
  /// Every key with its value; `decode` reads it back to an equal configuration.
  var encoded: ConfigurationValue { get }
  var form: LatentForm { get }
  /// Pixels of an image's side per latent.
  var factor: Int { get }
  /// Channels of the images that the encoder takes and that the decoder gives.
  var imageChannels: (encoded: Int, decoded: Int) { get }
  /// Channels of latents.
  var latentChannels: Int { get }
  /// Between its values and latents; nil where the configuration leaves it to the diffusion model's.
  var scale: LatentScale? { get }
  /// The network of one side. The decoder's sample is what `LatentForm` has made of latents; the encoder's output has twice the
  /// channels of latents where the form is gaussian.
  /// - Parameter latent: height and width of latents.
  /// - Throws: `GraphError` when the network exceeds the graph's limits.
  func graph(_ side: FirstStageSide, latent: SampleSize) throws(GraphError) -> Graph
}

extension FirstStageConfiguration {
  /// Height and width of the latents of images of `size`; nil where they are no whole numbers.
  package func latentSize(of size: SampleSize) -> SampleSize? {
    guard size.height % factor == 0, size.width % factor == 0 else { return nil }
    return SampleSize(height: size.height / factor, width: size.width / factor)
  }

  /// Height and width of the images of latents of `size`.
  package func imageSize(of latent: SampleSize) -> SampleSize {
    SampleSize(height: latent.height * factor, width: latent.width * factor)
  }

  /// Name and shape of the array that holds the codes, which are no parameter of either network; nil without a codebook.
  package var codebook: (name: String, dims: [Int])? {
    guard case .codebook(let codes) = form else { return nil }
    return ("quantize.embedding.weight", [codes, latentChannels])
  }
}

/// Every kind of first stage that has a configuration of its own. A new one is one file beside this one and one line here.
package enum FirstStageCatalog {
  package static let kinds: [any FirstStageConfiguration.Type] = [
    AutoencoderConfiguration.self, TinyAutoencoderConfiguration.self,
  ]

  /// Classes of diffusers whose config.json becomes an `AutoencoderConfiguration`.
  private static let classes = [DiffusersAutoencoder.gaussianClass, DiffusersAutoencoder.codebookClass]

  /// Every `_class_name` that is known.
  package static var classNames: [String] { kinds.map { $0.className } + classes }

  /// The configuration in a config.json or an artefact, decoded by the class that it names.
  /// - Throws: `ConfigurationError` with every problem of the document.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError)
    -> any FirstStageConfiguration
  {
    let names = classNames
    func refuse(_ text: String) -> ConfigurationError {
      ConfigurationError(problems: [.init(path: "\(file): _class_name", text: text)])
    }
    guard case .map = value else {
      throw ConfigurationError(problems: [.init(path: file, text: "expected a map, found \(value.kind)")])
    }
    guard case .string(let name)? = value["_class_name"] else {
      throw refuse(
        "expected one of \(names.joined(separator: ", ")), found \(value["_class_name"]?.shown ?? "nothing")")
    }
    if let kind = kinds.first(where: { $0.className == name }) { return try kind.decode(value, file: file) }
    if classes.contains(name) { return try DiffusersAutoencoder.decode(value, file: file) }
    let near = nearest(name, in: names).map { " (did you mean \"\($0)\"?)" } ?? ""
    throw refuse("expected one of \(names.joined(separator: ", ")), found \"\(printable(name, limit: 60))\"\(near)")
  }
}
