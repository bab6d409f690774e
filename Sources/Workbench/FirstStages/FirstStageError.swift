import Networks
import Tensors

/// What keeps a first stage from doing what a command asks of it.
package enum FirstStageError: HalftoneError, Equatable {
  /// A model without the network that is asked for; nil: without either.
  case missing(path: String, side: FirstStageSide?, holds: String)
  /// A denoiser and a first stage that do not belong together.
  case channels(path: String, denoiser: Int, firstStage: String, latents: Int)
  /// Height or width that the first stage's reduction does not divide.
  case size(what: String, size: SampleSize, factor: Int)
  /// Latents or images of other channels than the network takes.
  case inputChannels(what: String, found: Int, expected: Int)
  /// A value that is no finite number, in what goes in or what comes out.
  case notFinite(what: String)
  /// A seed for an encoder that says values and no distributions.
  case noDistribution(path: String)
  case latents(path: String, reason: String)

  package var id: String {
    switch self {
    case .missing: "E-MODEL-COMPONENT"
    case .channels: "E-MODEL-COMPONENT"
    case .size: "E-STAGE-SIZE"
    case .inputChannels: "E-STAGE-CHANNELS"
    case .notFinite: "E-STAGE-VALUE"
    case .noDistribution: "E-STAGE-SEED"
    case .latents: "E-LATENTS"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .noDistribution: .usage
    case .missing, .channels, .size, .inputChannels, .notFinite, .latents: .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .missing(let path, let side, let holds):
      "\(printable(path)) has no \(side?.rawValue ?? "first stage"): it holds \(holds)"
    case .channels(let path, let denoiser, let firstStage, let latents):
      "\(printable(path)): the denoiser works on \(denoiser) channels, and the latents of its first stage, "
        + "\(printable(firstStage)), have \(latents)"
    case .size(let what, let size, let factor):
      "\(printable(what)): \(size) is not divisible by \(factor), the pixels of a latent's side"
    case .inputChannels(let what, let found, let expected):
      "\(printable(what)) has \(found) channels, and the first stage takes \(expected)"
    case .notFinite(let what): "\(printable(what)) holds a value that is not a finite number"
    case .noDistribution(let path):
      "--seed: the encoder of \(printable(path)) gives latents and no distributions to draw them from"
    case .latents(let path, let reason): "\(printable(path)): \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .missing: "give a latent diffusion model, or the folder or file of its first stage"
    case .channels: "the components must be those that were trained together"
    case .size: "crop or scale the images first"
    case .inputChannels, .notFinite: nil
    case .noDistribution: "leave it out"
    case .latents:
      "give a run folder of 'sample --latents-only' or 'encode', a folder of .npz files, or one .npz with an array x"
    }
  }
}
