import Tensors

/// The forward process q(x_t | x_0) = N(sqrt(alphaBar_t) x_0, (1 - alphaBar_t) I) of a model (Ho et al. 2020, equation 4).
///
/// alphaBar_t is the product of (1 - beta_s) over s <= t, t in 0..<T, in Double. The schedule belongs to the model, never
/// to a sampler's settings.
///
/// Differs: diffusers rounds betas and alphaBar to Float32, which moves 1 - alphaBar by up to 2e-4 of itself at t = 0 (5e-4
/// for the cosine schedule). Of 594 scheduler configurations drawn at random, 570 trajectories agree within 1e-5; the others
/// amplify those first timesteps (cosine with eta = 1 or sample prediction, zero terminal SNR) and reach 2e-4, one 9e-4.
package struct NoiseSchedule: Sendable, Equatable {
  package let definition: BetaSchedule
  package let betas: [Double]
  package let alphaBar: [Double]

  /// T, the number of training timesteps.
  package var trainTimesteps: Int { betas.count }

  /// - Throws: `DiffusionError.schedule` with everything that is wrong with the definition.
  package init(_ definition: BetaSchedule) throws(DiffusionError) {
    let problems = definition.problems
    guard problems.isEmpty else { throw .schedule(problems.map { "\($0.key): \($0.text)" }) }
    self.init(checked: definition)
  }

  init(checked definition: BetaSchedule) {
    self.definition = definition
    var product = 1.0
    let betas = definition.betas
    let alphaBar = betas.map { beta in
      product *= 1 - beta
      return product
    }
    if definition.rescaleToZeroSNR {
      (self.betas, self.alphaBar) = Self.rescaledToZeroSNR(alphaBar)
    } else {
      (self.betas, self.alphaBar) = (betas, alphaBar)
    }
  }

  /// Lin et al. 2024 ("Common diffusion noise schedules and sample steps are flawed"), algorithm 1: sqrt(alphaBar) is
  /// shifted to end at 0 and scaled to start where it did.
  private static func rescaledToZeroSNR(_ alphaBar: [Double]) -> (betas: [Double], alphaBar: [Double]) {
    let first = alphaBar[0].squareRoot()
    let last = alphaBar[alphaBar.count - 1].squareRoot()
    let rescaled = alphaBar.map { value in
      let root = (value.squareRoot() - last) * (first / (first - last))
      return root * root
    }
    let betas = rescaled.indices.map { $0 == 0 ? 1 - rescaled[0] : 1 - rescaled[$0] / rescaled[$0 - 1] }
    return (betas, rescaled)
  }

  /// - Precondition: `timestep` is one of 0, 1, …, T - 1.
  package func alphaBar(at timestep: Timestep) -> Double {
    guard let index = Int(exactly: timestep.value), alphaBar.indices.contains(index) else {
      preconditionFailure("timestep \(timestep) is outside a schedule of \(trainTimesteps)")
    }
    return alphaBar[index]
  }

  /// What the network is given for a timestep, in Float as the released code multiplies (`BetaSchedule.rescaleTimesteps`).
  package func networkTimestep(of timestep: Timestep) -> Timestep {
    guard definition.rescaleTimesteps else { return timestep }
    return Timestep(Double(Float(timestep.value) * Float(1000 / Double(trainTimesteps))))
  }

  /// A draw of q(x_t | x_0): sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise (Ho et al. 2020, equation 4).
  /// - Parameters: x0, noise: N C H W; timesteps: one per image.
  package func qSample(_ x0: Tensor, timesteps: [Timestep], noise: Tensor) -> Tensor {
    precondition(x0.dims == noise.dims && x0.dims.first == timesteps.count)
    return .stacked(
      timesteps.enumerated().map { image, timestep in
        let kept = alphaBar(at: timestep)
        return .combining(
          kept.squareRoot(), x0.rows(image..<image + 1), (1 - kept).squareRoot(), noise.rows(image..<image + 1))
      })
  }
}

/// What a model was trained to undo and what its output means: the part of a scheduler's configuration that belongs to the
/// model. An artefact stores it; `scheduler_config.json` states it.
package struct DiffusionProcess: Sendable, Equatable {
  package let schedule: NoiseSchedule
  package let predictionType: PredictionType

  package init(schedule: NoiseSchedule, predictionType: PredictionType) {
    self.schedule = schedule
    self.predictionType = predictionType
  }

  /// Reads what `configuration` wrote; every key must be present. Nil when something was wrong and has been recorded.
  package init?(reading reader: ConfigurationReader) {
    self.init(reading: reader, strict: true)
  }

  init?(reading reader: ConfigurationReader, strict: Bool, standard: BetaSchedule = BetaSchedule()) {
    let definition = BetaSchedule(reading: reader, strict: strict, standard: standard)
    predictionType = reader.choice("prediction_type", default: strict ? nil : .epsilon)
    guard definition.problems.isEmpty else { return nil }
    schedule = NoiseSchedule(checked: definition)
  }

  package var configuration: ConfigurationValue {
    .map(schedule.definition.entries + [.init("prediction_type", .string(predictionType.rawValue))])
  }
}
