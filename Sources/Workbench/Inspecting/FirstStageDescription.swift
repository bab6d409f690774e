import Graphs
import Networks
import Tensors

/// What `inspect` says of a model's first stage.
struct FirstStageDescription {
  private let source: FirstStageSource
  private let latent: SampleSize
  private let networks: [(side: FirstStageSide, digest: String, summary: GraphSummary, isQuantized: Bool)]

  /// - Parameter latent: the latents' size that costs are counted for.
  init(_ source: FirstStageSource, latent: SampleSize) throws {
    self.source = source
    self.latent = latent
    networks = try source.sides.map { side in
      let network = try source.network(side)
      let graph = try network.model(latent: latent).graph
      return (side, network.digest, GraphSummary(graph), !network.table.weights.isEmpty)
    }
  }

  /// Of a first stage by itself.
  /// - Parameter size: of images; nil for latents of the standard tile.
  init(_ source: FirstStageSource, size: SampleSize?) throws {
    try self.init(source, latent: source.latentSize(ofImages: size))
  }

  private var form: String {
    switch source.configuration.form {
    case .gaussian: "means and variances"
    case .codebook(let codes): "\(codes) codes"
    case .bounded: "bounded values"
    }
  }

  var value: ConfigurationValue {
    let configuration = source.configuration
    return [
      "path": .string(source.path), "family": .string(source.family), "network": configuration.encoded,
      "factor": .integer(configuration.factor), "latent_channels": .integer(configuration.latentChannels),
      "scale": configuration.scale.map { .number($0.factor) } ?? .null,
      "shift": configuration.scale.map { .number($0.shift) } ?? .null,
      "networks": .list(
        networks.map {
          [
            "component": .string($0.side.rawValue), "digest": .string($0.digest), "quantized": .bool($0.isQuantized),
            "parameters": .integer($0.summary.parameterCount),
            "multiply_accumulates": .integer($0.summary.multiplyAccumulates),
          ]
        }),
      "checkpoint": source.checkpoint?.value ?? .null,
    ]
  }

  var lines: [String] {
    let configuration = source.configuration
    let images = configuration.imageSize(of: latent)
    let scale = configuration.scale.map { scale in
      "latents are values" + (scale.shift == 0 ? "" : " less \(scale.shift)") + " times \(scale.factor)"
    }
    var lines = [
      "first stage: \(source.family), \(form), images \(images) of \(configuration.imageChannels.decoded) channels, latents "
        + "\(latent) of \(configuration.latentChannels)" + (scale.map { ", \($0)" } ?? "")
    ]
    lines += networks.map {
      "\($0.side.rawValue): \(shown(count: $0.summary.parameterCount)) parameters"
        + ($0.isQuantized ? ", quantised" : "")
        + ", \(shown(count: $0.summary.multiplyAccumulates)) multiply-accumulates per image, digest \($0.digest)"
    }
    return lines + (source.checkpoint.map { [""] + $0.lines } ?? [])
  }
}
