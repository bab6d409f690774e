import Formats
import Tensors

/// One image's way from noise to picture, model by model from the same noise: the finished image as each model predicts it.
struct StripMaker {
  static let frames = 10

  /// - Parameters: samplers: by name, all of the same sampler and noise; image: which.
  /// - Throws: `Stopped` after a stop signal.
  static func strip(
    _ title: String, _ samplers: [(name: String, sampler: ImageSampler)], image: Int, session: Session
  ) throws -> ReportDocument.Strip? {
    var (rows, steps, shape) = ([ReportDocument.Strip.Row](), [Int](), ImageShape?.none)
    let progress = Progress("drawing strips", unit: "models", total: samplers.count, console: session.console)
    for (position, entry) in samplers.enumerated() {
      var loop = try entry.sampler.trajectory([image])
      steps = FloatTrajectory.spread(Self.frames, over: loop.steps.count)
      var frames: [String] = []
      while let state = try loop.next() {
        if let signal = try session.stopSignal() {
          throw Stopped(signal: signal, progress: "no strips", command: session.command)
        }
        guard steps.contains(state.step.index) else { continue }
        let picture = try picture(of: state.clean, entry.sampler)
        shape = picture.shape
        frames.append(try GalleryMaker.base64(picture))
      }
      rows.append(.init(model: entry.name, frames: frames))
      progress.update(Double(position + 1))
    }
    guard let shape, !rows.isEmpty else { return nil }
    return .init(title: title, image: image, steps: steps, height: shape.height, width: shape.width, rows: rows)
  }

  /// Predictions are not bounded: what is no number is shown as mid grey.
  private static func picture(of clean: Tensor, _ sampler: ImageSampler) throws -> PixelImage {
    var clean = clean
    for index in clean.values.indices where !clean.values[index].isFinite { clean.values[index] = 0 }
    let samples = try sampler.decoder?.decode(clean, name: { _ in "a predicted image" }) ?? clean
    let image = PixelImage(samples, image: 0)
    return PNG.channelCounts.contains(image.channels) ? image : ImageGrid.channels(of: image)
  }
}
