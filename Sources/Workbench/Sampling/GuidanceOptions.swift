import Diffusion
import Quantization
import Tensors

/// Guidance as a command line asks for it.
package struct GuidanceOptions: Sendable, Equatable {
  /// nil: what a quantised model was calibrated with, else none.
  package var scale: Double?
  package var rescale: Double?

  package init(scale: Double? = nil, rescale: Double? = nil) {
    self.scale = scale
    self.rescale = rescale
  }

  package static let scales = GuidanceSetting.scales

  /// - Returns: nil where predictions are used as they come.
  /// - Throws: `E-GUIDANCE` where there is something to guide and the model knows no unconditional prediction.
  package func setting(for source: ModelSource) throws(GuidanceError) -> GuidanceSetting? {
    let own = source.quantized?.lineage.calibration?.guidance
    let scale = scale ?? own?.scale ?? 1
    guard scale != 1 else {
      if let rescale, rescale != 0 { throw .nothingToRescale(rescale) }
      return nil
    }
    guard source.conditioning.unconditionalLabel != nil else {
      throw .unavailable(path: source.path, takesClasses: source.conditioning.classes != nil)
    }
    return GuidanceSetting(scale: scale, rescale: rescale ?? own?.rescale ?? 0)
  }
}

extension GuidanceSetting {
  /// With the row of a model that stands for no class.
  func guidance(of form: ConditioningForm) -> Guidance? {
    form.unconditionalLabel.map {
      Guidance(scale: scale, rescale: rescale, unconditional: Conditioning(label: $0))
    }
  }
}

/// What keeps predictions from being guided.
package enum GuidanceError: HalftoneError, Equatable {
  case unavailable(path: String, takesClasses: Bool)
  case nothingToRescale(Double)

  package var id: String { "E-GUIDANCE" }
  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .unavailable(let path, true):
      "\(printable(path)) has no class that stands for none, and guidance compares every class with that"
    case .unavailable(let path, false): "\(printable(path)) takes no classes, so there is nothing to guide towards"
    case .nothingToRescale(let rescale): "--guidance-rescale \(rescale): nothing is guided, so nothing is rescaled"
    }
  }

  package var hint: String? {
    switch self {
    case .unavailable: "leave --guidance away"
    case .nothingToRescale: "give --guidance a scale other than 1"
    }
  }
}
