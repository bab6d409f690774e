/// One model of a report, with whatever is known of it; what nobody measured is absent.
package struct ReportVariant: Codable, Sendable, Equatable {
  package var name: String
  package var title: String
  package var isQuantized: Bool
  /// The run it is from: only models of one run are compared with each other.
  package var group = ""
  package var digest: String?
  package var bytes: Int?
  /// Share of the multiplications that stay in Float.
  package var floatShare: Double?
  /// Per image and sampling step.
  package var milliseconds: Double?
  package var quantizationSeconds: Double?
  package var quantizationPeakMemory: Int?
  /// Against the float model's images at equal seeds, dB: mean over images, and of the mean squared error.
  package var psnrMean: Double?
  package var psnrPooled: Double?
  package var ssim: Double?
  package var perceptual: Double?
  /// Of a latent model's decoder by itself, against the float decoder on equal latents, dB.
  package var decoderPSNR: Double?
  /// To the reference, one for each seed.
  package var distances: [Double] = []
  package var distanceTitle: String?
  /// Training timesteps of the network calls, in execution order.
  package var timesteps: [Double] = []
  /// Signal-to-noise ratio of predicted noise on the float model's states, dB; nil where a step has no deviation at all.
  package var stepDecibels: [Double?] = []
  /// |x_q - x|^2 / |x|^2 after each step of the two models' own trajectories.
  package var drift: [Double?] = []
  package var layers: [ReportLayer] = []
  /// What the float model is called that it was quantised from.
  package var source: String?
  package var calibration: ReportCoverage?
  package var recipe: ReportRecipe?
  package var analysis: ReportAnalysis?

  package init(name: String, title: String, isQuantized: Bool) {
    self.name = name
    self.title = title
    self.isQuantized = isQuantized
  }

  /// Mean over the steps that have a number, dB.
  package var meanDecibels: Double? {
    let numbers = stepDecibels.compactMap { $0 }
    return numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
  }
}

/// One layer, or one product of an attention, as it is stored and executed.
package struct ReportLayer: Codable, Sendable, Equatable {
  package var path: String
  /// nil: float.
  package var weightBits: Int?
  package var activationBits: Int?
  package var weightCount: Int
  /// Of the weight's codes or Floats, without scales.
  package var weightBytes: Int
  package var multiplyAccumulates: Int

  package init(
    path: String, weightBits: Int? = nil, activationBits: Int? = nil, weightCount: Int, weightBytes: Int,
    multiplyAccumulates: Int
  ) {
    self.path = path
    self.weightBits = weightBits
    self.activationBits = activationBits
    self.weightCount = weightCount
    self.weightBytes = weightBytes
    self.multiplyAccumulates = multiplyAccumulates
  }
}

/// How many calibration samples each sampling step had.
package struct ReportCoverage: Codable, Sendable, Equatable {
  package var distribution: String
  package var trajectories: Int
  package var counts: [Int]

  package init(
    distribution: String, trajectories: Int, counts: [Int]
  ) {
    self.distribution = distribution
    self.trajectories = trajectories
    self.counts = counts
  }
}

/// The recipe a model was made by.
package struct ReportRecipe: Codable, Sendable, Equatable {
  /// As the file has it, comments included, or as the model's file holds it.
  package var text: String
  /// Where `text` is a file's: what was used otherwise, `key: in the file -> used`.
  package var changes: [String]
  /// nil where no file of that name is known.
  package var file: String?

  package init(
    text: String, changes: [String], file: String? = nil
  ) {
    self.text = text
    self.changes = changes
    self.file = file
  }
}
