import Tensors

/// How a model is to be quantised: one file of `calib/`, complete, with no inheritance and no hidden default.
package struct Recipe: Sendable, Equatable {
  /// Name of a `QuantizationMethod` in the catalogue.
  package var method: String
  /// nil: weights stay float.
  package var weights: Weights?
  /// nil: activations stay float.
  package var activations: Activations?
  /// nil: ranges are found as weights and activations say.
  package var adaptiveRanges: AdaptiveRanges?
  package var activationTables: ActivationTables
  /// How many neighbouring sampling steps share one row of a per-step table.
  package var tableInterval: Int
  /// Whether the two calls of guided predictions have rows of their own, outside the temporal block.
  package var branches = Branches.shared
  package var temporalFeatures: TemporalFeatures
  /// Which layers quantise the halves of a concatenated input apart, and their weights with them.
  package var splitInputs: SplitInputs
  /// nil: no channel of an input is scaled before it is quantised.
  package var smoothing: Smoothing?
  /// nil: weights keep their first rounding.
  package var reconstruction: Reconstruction?
  /// nil: every weight and every activation has the bits of its section.
  package var mixedPrecision: MixedPrecision?
  /// nil: predictions are used as they come.
  package var correction: Correction?
  package var sampler: SamplerChoice
  package var calibration: Calibration
  /// Which layers or sites stay float whatever the rest says; each pattern must match something.
  package var floatLayers: [SitePattern]

  package struct Weights: Sendable, Equatable {
    package var bits: Int
    package var symmetric: Bool
    package var range: RangeEstimator
    package var rounding: Rounding
    /// Whether biases absorb the mean error that rounding makes (Nagel et al. 2019, section 4.2).
    package var biasCorrection: Bool

    package init(bits: Int, symmetric: Bool, range: RangeEstimator, rounding: Rounding, biasCorrection: Bool) {
      self.bits = bits
      self.symmetric = symmetric
      self.range = range
      self.rounding = rounding
      self.biasCorrection = biasCorrection
    }
  }

  /// How weights become codes once their ranges are chosen.
  package enum Rounding: Sendable, Equatable {
    /// Each to its nearest code.
    case nearest
    /// Column after column, each row's rounding errors compensated by the columns that follow (GPTQ: Frantar et al. 2022).
    case gptq(ErrorCompensation)
  }

  /// What compensation looks at, and how.
  package struct ErrorCompensation: Sendable, Equatable {
    /// Calibration samples per sampling step, the first of each; fewer where a step has fewer.
    package var samplesPerStep: Int
    /// Added to the Hessian's diagonal, as a share of the diagonal's mean.
    package var damping: Double
    package var order: ColumnOrder
    package var upstream: RoundingUpstream

    package init(samplesPerStep: Int, damping: Double, order: ColumnOrder, upstream: RoundingUpstream) {
      self.samplesPerStep = samplesPerStep
      self.damping = damping
      self.order = order
      self.upstream = upstream
    }
  }

  /// In which order the columns of a weight are rounded.
  package enum ColumnOrder: String, Sendable, CaseIterable {
    /// As stored.
    case natural
    /// Inputs of the largest mean square first, while most columns can still compensate; of equals the first.
    case activity
  }

  /// What the network upstream of a layer is while its inputs are watched.
  package enum RoundingUpstream: String, Sendable, CaseIterable {
    case float
    /// Block after block, those before with the weights that rounding has given them.
    case quantizedWeights = "quantized_weights"
  }

  package struct Activations: Sendable, Equatable {
    package var bits: Int
    package var symmetric: Bool
    package var range: RangeEstimator
    /// nil: one range over all samples.
    package var average: MovingAverage?
    package var upstream: Upstream
    package var attentionProducts: AttentionProducts
    package var probabilities = Probabilities.normalized
  }

  /// What of attention's probabilities is quantised.
  package enum Probabilities: String, Sendable, CaseIterable {
    /// They themselves, as in Q-Diffusion's code. Where attention is spread over hundreds of keys, few codes are left to them.
    case normalized
    /// Their numerators, e^(score - the row's largest score); a row is divided by the sum of what they became.
    case numerators
    /// Numerators above 127 keys.
    case automatic = "auto"

    func areNumerators(of keys: Int) -> Bool {
      switch self {
      case .normalized: false
      case .numerators: true
      case .automatic: keys > 127
      }
    }
  }

  /// Whether queries, keys, probabilities and values are quantised where attention multiplies them. Q-Diffusion's code
  /// quantises them, TFMQ-DM's and PTQ4DM's leave them float.
  package enum AttentionProducts: String, Sendable, CaseIterable {
    case float
    case quantized
  }

  /// Exponential moving average of the ranges of successive batches of samples; the first batch initialises it.
  package struct MovingAverage: Sendable, Equatable {
    package var decay: Double
    package var batch: Int

    package init(decay: Double, batch: Int) {
      self.decay = decay
      self.batch = batch
    }
  }

  /// What the network upstream of a site is while that site's range is collected.
  package enum Upstream: String, Sendable, CaseIterable {
    case float
    case quantizedWeights = "quantized_weights"
    case quantized
  }

  /// How many quantisers an activation site has (finite set calibration: Huang et al. 2024, section 3.3).
  package enum ActivationTables: String, Sendable, CaseIterable {
    /// One for all steps.
    case shared
    /// One per sampling step inside the temporal information block, one for all steps elsewhere.
    case temporalBlock = "temporal_block"
    /// One per sampling step everywhere.
    case all
  }

  /// How the two calls of a guided prediction are quantised.
  package enum Branches: String, Sendable, CaseIterable {
    /// By the same quantisers.
    case shared
    /// Each by its own.
    case separate
  }

  /// Where scale and zero point change at the boundary of a concatenation (Q-Diffusion: Li et al. 2023, section 3.3).
  package enum SplitInputs: String, Sendable, CaseIterable {
    case none
    /// Layers that read the concatenation itself, as in the paper.
    case shortcuts
    /// Also those that read it through normalisation and activation.
    case all
  }

  /// A scale per channel between activation and weight (OS+: Wei et al. 2023; SmoothQuant: Xiao et al. 2023).
  package struct Smoothing: Sendable, Equatable {
    /// Calibration samples per sampling step that channels are looked at on.
    package var samplesPerStep: Int

    package init(samplesPerStep: Int) { self.samplesPerStep = samplesPerStep }
  }

  /// Correction of predictions while sampling (PTQD: He et al. 2023).
  package struct Correction: Sendable, Equatable {
    /// Calibration samples per sampling step that the noise of quantisation is measured on.
    package var samplesPerStep: Int

    /// What `+ptqd` after a recipe's name asks for.
    package static let usual = Correction(samplesPerStep: 16)
  }

  package enum SamplerChoice: Sendable, Equatable {
    /// A preset of `samplers/`.
    case named(String)
    /// The sampler's own keys.
    case inline(ConfigurationValue)
  }
}
