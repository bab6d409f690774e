import Tensors

/// What a DPM-Solver integrates; names as diffusers' `algorithm_type`.
package enum DPMAlgorithm: String, Sendable, CaseIterable {
  /// The probability flow in terms of x_0 (Lu et al. 2022, "DPM-Solver++", algorithm 2).
  case data = "dpmsolver++"
  /// The probability flow in terms of epsilon (Lu et al. 2022, "DPM-Solver").
  case noise = "dpmsolver"
  /// The reverse diffusion in terms of x_0, which adds noise (Lu et al. 2022, "DPM-Solver++", appendix on SDE solvers).
  case stochastic = "sde-dpmsolver++"

  var prediction: ExponentialStep.Prediction {
    switch self {
    case .data: .clean
    case .noise: .epsilon
    case .stochastic: .cleanWithNoise
    }
  }
}

/// How the second order weighs the difference of two predictions; names as diffusers' `solver_type`.
package enum DPMSolverType: String, Sendable, CaseIterable {
  /// Half of phi_1, the value at the middle of the step.
  case midpoint
  /// psi_2, the Taylor expansion ("taylor" in the released code).
  case heun
}

/// Multistep DPM-Solver and DPM-Solver++ of orders 1 to 3, one call a step.
///
///     code                     paper
///     predictions, value       x_theta or epsilon_theta at t_i, the newest last
///     ExponentialStep          h_i, and the factors that follow from it
///     ratio                    -r_i: how far an earlier level lies back
///
/// Differs: for the third order with noise diffusers has another sign in the last factor, which does not vanish for small
/// steps; here it is the factor of the flow with 2 h in place of h.
package struct DPMSolver: LevelSampler, Equatable {
  package static let name = "dpmpp"
  static let orders = 1...3

  package var selection: LevelSelection
  package var algorithm: DPMAlgorithm
  /// The largest order; the first steps have as much as there are predictions for.
  package var order: Int
  package var type: DPMSolverType
  /// With fewer steps than this, the last ones have lower orders (diffusers: 15; the released code: 10; 0: never).
  package var lowerOrderBelow: Int
  /// Whether the last step has order 1 whatever the number of steps.
  package var eulerAtFinal: Bool
  /// Timesteps whose logarithm of signal over noise is below it are left out, for schedules that go very far; nil: none.
  package var logSNRBound: Double?
  package var bounds: CleanImageBounds

  package init(
    selection: LevelSelection, algorithm: DPMAlgorithm = .data, order: Int = 2, type: DPMSolverType = .midpoint,
    lowerOrderBelow: Int = 15, eulerAtFinal: Bool = false, logSNRBound: Double? = nil,
    bounds: CleanImageBounds = .init(clip: false)
  ) {
    self.selection = selection
    self.algorithm = algorithm
    self.order = order
    self.type = type
    self.lowerOrderBelow = lowerOrderBelow
    self.eulerAtFinal = eulerAtFinal
    self.logSNRBound = logSNRBound
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    selection = LevelSelection(.intervals, reading: reader)
    algorithm = reader.choice("algorithm_type")
    order = reader.int("solver_order", in: Self.orders)
    type = reader.choice("solver_type")
    lowerOrderBelow = reader.int("lower_order_below", in: 0...BetaSchedule.trainTimestepRange.upperBound)
    eulerAtFinal = reader.bool("euler_at_final")
    logSNRBound = reader.value("lambda_min_clipped") == .null ? nil : reader.double("lambda_min_clipped")
    bounds = CleanImageBounds(reading: reader)
    if algorithm == .noise, selection.final == .zero {
      reader.report(
        "final_sigmas_type",
        "must be sigma_min with algorithm_type dpmsolver: in terms of epsilon no step ends without noise")
    }
    if logSNRBound != nil, selection.schedule != .training || selection.spacing.isContinuous {
      reader.report(
        "lambda_min_clipped",
        "must be null unless sigma_schedule is training and timestep_spacing is linspace, leading or trailing")
    }
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + [
      .init("algorithm_type", .string(algorithm.rawValue)),
      .init("solver_order", .integer(order)),
      .init("solver_type", .string(type.rawValue)),
      .init("lower_order_below", .integer(lowerOrderBelow)),
      .init("euler_at_final", .bool(eulerAtFinal)),
      .init("lambda_min_clipped", logSNRBound.map { .number($0) } ?? .null),
    ] + bounds.entries
  }

  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    let (visits, final) = try selection.visits(of: process.schedule, logSNRAbove: logSNRBound)
    return Self.calls(visits, final: final, schedule: process.schedule)
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let value = algorithm == .noise ? predicted.limitedNoise : predicted.clean
    let predictions = history.adding(value, at: call.level, keeping: order)
    let step = ExponentialStep(from: call.level, to: call.next, predicting: algorithm.prediction)
    let weights = weights(of: step, levels: predictions.reversed().map(\.level), order: order(index, of: plan))
    var terms = [(step.base, x)]
    for (weight, prediction) in zip(weights, predictions.reversed()) { terms.append((weight, prediction.value)) }
    if step.deviation > 0 { terms.append((step.deviation, try noise())) }
    return StepResult(
      previous: .combining(terms), clean: predicted.clean, history: SolverHistory(predictions: predictions))
  }

  package func noiseBalance(call index: Int, of plan: TrajectoryPlan) -> (epsilon: Double, sigma: Double)? {
    guard algorithm == .stochastic else { return nil }
    let call = plan.calls[index]
    let order = order(index, of: plan)
    let step = ExponentialStep(from: call.level, to: call.next, predicting: algorithm.prediction)
    let levels = (0..<order).map { plan.calls[index - $0].level }
    // x_0 holds -sigma epsilon.
    return (-call.level.sigma * weights(of: step, levels: levels, order: order)[0], step.deviation)
  }

  /// The order of a step: what the predictions so far allow, lower at the end.
  private func order(_ index: Int, of plan: TrajectoryPlan) -> Int {
    let (call, steps) = (plan.calls[index], selection.steps)
    let allowed = min(order, index + 1)
    // No distance to fit a line over, or an infinite one.
    if call.next.isClean || call.next == call.level { return 1 }
    if eulerAtFinal, index == plan.calls.count - 1 { return 1 }
    return steps < lowerOrderBelow ? min(allowed, max(1, steps - index)) : allowed
  }

  /// The factors of the predictions, newest first, with the derivatives written out as differences.
  private func weights(of step: ExponentialStep, levels: [NoiseLevel], order: Int) -> [Double] {
    if order == 1 { return [-step.scale * step.phi1] }
    let second = order == 2 && type == .midpoint ? step.phi1 / 2 : step.psi2
    let near = -step.ratio(of: levels[1])
    if order == 2 { return [step.phi1 + second / near, -second / near].map { -step.scale * $0 } }
    // The second difference corrects the first and stands for the curvature.
    let far = -step.ratio(of: levels[2]) - near
    let correction = near / (near + far)
    let newer = (second * (1 + correction) + step.psi3 / (near + far)) / near
    let older = -(second * correction + step.psi3 / (near + far)) / far
    return [step.phi1 + newer, older - newer, -older].map { -step.scale * $0 }
  }
}
