import Evaluation
import Formats
import Tensors

/// What was measured of one decoder of several that are compared: its speed, and its error by itself, on latents that all are given.
package struct DecoderFigures: Sendable {
  /// Per image.
  package let milliseconds: Double
  /// Of its images with the float decoder's, from equal latents; nil where it is the float decoder.
  package let quality: PairedQuality?

  /// Latents that decoders are compared on, at the most.
  static let mostLatents = 16

  /// - Parameters: decoders: the float one first; latents: N C H W, in the denoiser's units.
  /// - Returns: figures of each; those that are the float decoder have no error.
  static func measure(
    _ decoders: [FirstStageRunner], on latents: Tensor, rounds: Int, session: Session
  ) throws -> [DecoderFigures] {
    let clock = ContinuousClock()
    let times = try InterleavedTiming.medians(
      rounds: rounds, title: "timing decoders", session: session,
      turns: decoders.map { decoder in
        let batch = latents.rows(0..<min(decoder.batch, latents.dims[0]))
        return {
          let began = clock.now
          _ = try decoder.decode(batch, name: { "latent \($0)" })
          return (clock.now - began) / .milliseconds(1) / Double(batch.dims[0])
        }
      })
    return try zip(decoders, times).map { decoder, milliseconds in
      let isFloat = decoder.network.digest == decoders[0].network.digest
      return DecoderFigures(
        milliseconds: milliseconds,
        quality: isFloat ? nil : try DecoderComparison(float: decoders[0], quantized: decoder).quality(latents))
    }
  }

  // MARK: In tables

  /// What a table of models' rows has at its right: nothing for pixel models.
  static func columns(of rows: [VariantRow]) -> [(title: String, alignment: Table.Alignment)] {
    rows.contains { $0.decoding != nil } ? [("decoder, ms", .right), ("decoder PSNR, dB", .right)] : []
  }

  /// A row's cells for these columns.
  static func cells(of row: VariantRow) -> [String] {
    guard let figures = row.decoding else { return [] }
    return [fixed(figures.milliseconds, 1), figures.quality?.shown ?? ""]
  }

  /// What they are.
  static let legend =
    "Decoder: its time for an image, and PSNR of its images with the float decoder's, from equal latents."
}

extension ImageSampler {
  /// Ends of the trajectories of some images, N C H W: of a latent model, what its decoder is given.
  /// - Throws: `Stopped` after a stop signal.
  func ends(of images: some Collection<Int>, title: String, session: Session) throws -> Tensor {
    let images = Array(images)
    let progress = Progress(title, unit: "images", total: images.count, console: session.console)
    var ends: [Tensor] = []
    for start in stride(from: 0, to: images.count, by: batch) {
      let part = Array(images[start..<min(start + batch, images.count)])
      var loop = try trajectory(part)
      while try loop.next() != nil {
        if let signal = try session.stopSignal() {
          throw Stopped(signal: signal, progress: "no results of this stage (\(title))", command: session.command)
        }
        progress.update(Double(start) + Double(part.count * loop.completed) / Double(loop.steps.count))
      }
      ends.append(loop.x)
    }
    progress.finish(Double(images.count))
    return .stacked(ends)
  }
}

extension PairedQuality {
  /// The mean in dB, in parentheses that of the mean squared error.
  var shown: String { meanDecibels.map { "\(fixed($0, 2)) (\(pooled.text))" } ?? pooled.text }
}

/// Images that two decoders make of the same latents.
struct DecoderComparison {
  let float: FirstStageRunner
  let quantized: FirstStageRunner

  /// Peak signal-to-noise ratios in 8-bit samples. - Parameter latents: N C H W, in the denoiser's units.
  func quality(_ latents: Tensor) throws -> PairedQuality {
    var pairs = PairedComparison(shape: float.imageShape)
    for image in 0..<latents.dims[0] {
      let row = latents.rows(image..<(image + 1))
      let name = { (_: Int) in "latent \(image)" }
      let images = try [float, quantized].map { PixelImage(try $0.decode(row, name: name), image: 0).pixels }
      try pairs.add(reference: images[0], other: images[1])
    }
    return pairs.quality
  }
}
