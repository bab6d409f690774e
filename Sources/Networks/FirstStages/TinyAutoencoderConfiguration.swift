import Graphs
import Tensors

/// The small autoencoder of diffusers' `AutoencoderTiny` (TAESD): convolutions and residual blocks without normalisation, trained to
/// do the work of a large first stage's two networks approximately.
package struct TinyAutoencoderConfiguration: FirstStageConfiguration, Equatable {
  package static let className = "AutoencoderTiny"

  package var inChannels: Int
  package var outChannels: Int
  package var latentChannels: Int
  /// Of the encoder's stages, from the highest resolution to the lowest, and how many blocks each has.
  package var encoderChannels: [Int]
  package var encoderBlocks: [Int]
  /// Of the decoder's stages, from the lowest resolution to the highest.
  package var decoderChannels: [Int]
  package var decoderBlocks: [Int]
  package var activation: Activation
  /// What latents are softly limited to before they are decoded: the decoder sees 3 tanh(z / 3), whatever `latent_magnitude` says.
  private static let bound = 3.0
  /// Kept so that a configuration survives being written: the range of latents when they are stored as bytes.
  package var latentMagnitude: Double
  package var latentShift: Double
  package var storedScale: LatentScale

  package var form: LatentForm { .bounded(by: Self.bound) }
  package var factor: Int { 1 << (encoderChannels.count - 1) }
  package var imageChannels: (encoded: Int, decoded: Int) { (inChannels, outChannels) }
  package var scale: LatentScale? { storedScale }

  // MARK: Reading and writing

  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self {
    let reader = ConfigurationReader(value, file: file)
    for key in reader.keys where key.hasPrefix("_") { reader.ignore(key) }
    reader.ignore("force_upcast")
    let width = AutoencoderConfiguration.width
    let blocks = 0...UNetOutline.mostLayers
    let configuration = Self(
      inChannels: reader.int("in_channels", default: 3, in: width),
      outChannels: reader.int("out_channels", default: 3, in: width),
      latentChannels: reader.int("latent_channels", default: 4, in: width),
      encoderChannels: reader.ints("encoder_block_out_channels", default: [64, 64, 64, 64], in: width),
      encoderBlocks: reader.ints("num_encoder_blocks", default: [1, 3, 3, 3], in: blocks),
      decoderChannels: reader.ints("decoder_block_out_channels", default: [64, 64, 64, 64], in: width),
      decoderBlocks: reader.ints("num_decoder_blocks", default: [3, 3, 3, 1], in: blocks),
      activation: reader.activation("act_fn", default: .relu),
      latentMagnitude: reader.double("latent_magnitude", default: 3),
      latentShift: reader.double("latent_shift", default: 0.5),
      storedScale: LatentScale(
        factor: reader.double("scaling_factor", default: 1), shift: reader.double("shift_factor", default: 0)))
    configuration.check(reader)
    try reader.finish()
    return configuration
  }

  private func check(_ reader: ConfigurationReader) {
    let counts = [
      ("encoder_block_out_channels", encoderChannels.count), ("num_encoder_blocks", encoderBlocks.count),
      ("decoder_block_out_channels", decoderChannels.count), ("num_decoder_blocks", decoderBlocks.count),
    ]
    let levels = encoderChannels.count
    if !(1...AutoencoderConfiguration.mostLevels).contains(levels), reader.isSound(counts[0].0) {
      reader.report(counts[0].0, "expected 1 to \(AutoencoderConfiguration.mostLevels) levels, found \(levels)")
    }
    for (key, count) in counts.dropFirst() where count != levels && reader.isSound(key, counts[0].0) {
      reader.report(key, "expected \(levels) levels as in \(counts[0].0), found \(count)")
    }
    if reader.int("upsampling_scaling_factor", default: 2, in: 1...64) != 2 {
      reader.report("upsampling_scaling_factor", "expected 2: every stage doubles the size")
    }
    let upsampling = reader.string("upsample_fn", default: "nearest")
    if upsampling != "nearest" {
      reader.report("upsample_fn", "expected \"nearest\", found \"\(printable(upsampling, limit: 60))\"")
    }
    if storedScale.factor == 0 { reader.report("scaling_factor", "expected a number that is not 0, found 0") }
  }

  package var encoded: ConfigurationValue {
    func list(_ numbers: [Int]) -> ConfigurationValue { .list(numbers.map { .integer($0) }) }
    return [
      "_class_name": .string(Self.className), "in_channels": .integer(inChannels),
      "out_channels": .integer(outChannels), "latent_channels": .integer(latentChannels),
      "encoder_block_out_channels": list(encoderChannels), "num_encoder_blocks": list(encoderBlocks),
      "decoder_block_out_channels": list(decoderChannels), "num_decoder_blocks": list(decoderBlocks),
      "act_fn": .string(activation.rawValue), "latent_magnitude": .number(latentMagnitude),
      "latent_shift": .number(latentShift), "scaling_factor": .number(storedScale.factor),
      "shift_factor": .number(storedScale.shift), "upsampling_scaling_factor": 2, "upsample_fn": "nearest",
    ]
  }

  // MARK: Graphs

  package func graph(_ side: FirstStageSide, latent: SampleSize) throws(GraphError) -> Graph {
    var g = GraphBuilder()
    let output = g.scope("\(side.rawValue).layers") { g in
      switch side {
      case .encoder: encoder(&g, imageSize(of: latent))
      case .decoder: decoder(&g, latent)
      }
    }
    return try g.finish(output: output)
  }

  /// Images in [-1, 1], which the layers take in [0, 1]. Layers are numbered as they follow one another.
  private func encoder(_ g: inout GraphBuilder, _ size: SampleSize) -> Value {
    var layer = 0
    func next() -> String {
      defer { layer += 1 }
      return "\(layer)"
    }
    var h = g.region("stem", .stem, inScope: false) { g in
      let image = g.sample(ImageShape(channels: inChannels, height: size.height, width: size.width))
      return g.conv2d(next(), g.affine("to_unit", image, scale: 0.5, offset: 0.5), out: encoderChannels[0])
    }
    for (stage, channels) in encoderChannels.enumerated() {
      if stage > 0 {
        let name = next()
        h = g.region(name, .downsample, inScope: false) { $0.conv2d(name, h, out: channels, stride: 2, bias: false) }
      }
      for _ in 0..<encoderBlocks[stage] { h = block(&g, next(), h, out: channels) }
    }
    return g.region("head", .head, inScope: false) { $0.conv2d(next(), h, out: latentChannels) }
  }

  /// The layers give images in [0, 1]; the result is in [-1, 1].
  private func decoder(_ g: inout GraphBuilder, _ size: SampleSize) -> Value {
    var layer = 0
    func next() -> String {
      defer { layer += 1 }
      return "\(layer)"
    }
    var h = g.region("stem", .stem, inScope: false) { g in
      let latents = g.sample(ImageShape(channels: latentChannels, height: size.height, width: size.width))
      let first = g.conv2d(next(), latents, out: decoderChannels[0])
      return g.activation(next(), first, activation)
    }
    for (stage, channels) in decoderChannels.enumerated() {
      for _ in 0..<decoderBlocks[stage] { h = block(&g, next(), h, out: channels) }
      if stage == decoderChannels.count - 1 { break }
      let (upsampling, convolution) = (next(), next())
      h = g.region(convolution, .upsample, inScope: false) { g in
        g.conv2d(convolution, g.upsampleNearest(upsampling, h), out: channels, bias: false)
      }
    }
    return g.region("head", .head, inScope: false) { g in
      g.affine("from_unit", g.conv2d(next(), h, out: outChannels), scale: 2, offset: -1)
    }
  }

  /// Three convolutions with a residual connection, which has a 1x1 convolution where channels change.
  private func block(_ g: inout GraphBuilder, _ name: String, _ x: Value, out: Int) -> Value {
    g.region(name, .residualBlock) { g in
      var h = g.conv2d("conv.0", x, out: out)
      h = g.conv2d("conv.2", g.activation("conv.1", h, activation), out: out)
      h = g.conv2d("conv.4", g.activation("conv.3", h, activation), out: out)
      let skip = g.channels(of: x) == out ? x : g.conv2d("skip", x, out: out, kernel: 1, bias: false)
      return g.activation("fuse", g.add("add", h, skip), .relu)
    }
  }
}
