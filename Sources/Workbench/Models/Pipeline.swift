import Networks
import Quantization
import Tensors

/// What a model consists of beside its denoiser. A pixel model has nothing; the images of a latent model are what its decoder makes of
/// the samples.
package struct Pipeline: Sendable {
  /// Between images and latents; nil for pixel models, and for denoisers by themselves.
  package let firstStage: FirstStageSource?

  package static let denoiserAlone = Pipeline(firstStage: nil)

  init(firstStage: FirstStageSource?) { self.firstStage = firstStage }

  /// Names of the components, as artefacts and reports have them.
  package var components: [String] { ["denoiser"] + (firstStage?.sides ?? []).map(\.rawValue).sorted() }

  /// Height and width of samples for images of `size`: those of latents where there is a first stage.
  /// - Throws: when they are no whole numbers.
  func sampleSize(for size: SampleSize) throws -> SampleSize {
    guard let configuration = firstStage?.configuration else { return size }
    guard let latent = configuration.latentSize(of: size) else {
      throw FirstStageError.size(what: "--size", size: size, factor: configuration.factor)
    }
    return latent
  }

  /// What drawing gives of samples of a shape: images, or the samples themselves.
  func imageShape(of sample: ImageShape) -> ImageShape {
    guard let configuration = firstStage?.configuration else { return sample }
    let size = configuration.imageSize(of: SampleSize(height: sample.height, width: sample.width))
    return ImageShape(channels: configuration.imageChannels.decoded, height: size.height, width: size.width)
  }

  /// - Throws: when the denoiser works on other channels than the first stage's latents have.
  func check(sample: ImageShape, path: String) throws(FirstStageError) {
    guard let firstStage, firstStage.configuration.latentChannels != sample.channels else { return }
    throw .channels(
      path: path, denoiser: sample.channels, firstStage: firstStage.path,
      latents: firstStage.configuration.latentChannels)
  }

  /// What an artefact holds beside its denoiser, so that it draws images by itself: the decoder.
  func components(for sample: ImageShape) throws -> [String: QuantizedModel.Component] {
    guard let decoder = try firstStage?.network(.decoder) else { return [:] }
    let latent = SampleSize(height: sample.height, width: sample.width)
    return [decoder.side.rawValue: try decoder.component(latent: latent)]
  }
}
