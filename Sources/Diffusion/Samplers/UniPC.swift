import Tensors

/// The function B(h) of UniPC (Zhao et al. 2023, section 3.3); names as diffusers' `solver_type`.
package enum UniPCVariant: String, Sendable, CaseIterable {
  /// B(h) = h.
  case bh1
  /// B(h) = e^h - 1.
  case bh2
}

/// The unified predictor-corrector of Zhao et al. 2023 ("UniPC", algorithms 1 to 4, multistep) of orders 1 to 3, one call a
/// step: the network's output corrects the state it was given, and then predicts the next.
///
///     code            paper
///     predictions     the buffer Q of model outputs, the newest last
///     history.start   the corrected state x~_(t_(i-1)) that the last step started from
///     ratio           r_m, negative for earlier levels
///     variant         B_1(h) or B_2(h)
package struct UniPCSampler: LevelSampler, Equatable {
  package static let name = "unipc"
  static let orders = 1...3

  package var selection: LevelSelection
  /// The predictor's order; the corrector's is one higher.
  package var order: Int
  package var variant: UniPCVariant
  /// Whether x_0 is what is integrated, or epsilon.
  package var predictsClean: Bool
  /// Whether the last steps have lower orders.
  package var lowerOrderFinal: Bool
  package var bounds: CleanImageBounds

  package init(
    selection: LevelSelection, order: Int = 2, variant: UniPCVariant = .bh2, predictsClean: Bool = true,
    lowerOrderFinal: Bool = true, bounds: CleanImageBounds = .init(clip: false)
  ) {
    self.selection = selection
    self.order = order
    self.variant = variant
    self.predictsClean = predictsClean
    self.lowerOrderFinal = lowerOrderFinal
    self.bounds = bounds
  }

  package init(reading reader: ConfigurationReader) {
    selection = LevelSelection(.intervals, reading: reader)
    order = reader.int("solver_order", in: Self.orders)
    variant = reader.choice("solver_type")
    predictsClean = reader.bool("predict_x0")
    lowerOrderFinal = reader.bool("lower_order_final")
    bounds = CleanImageBounds(reading: reader)
    if !predictsClean, reader.isSound("predict_x0"), selection.final == .zero {
      reader.report(
        "final_sigmas_type", "must be sigma_min with predict_x0 false: in terms of epsilon no step ends without noise")
    }
  }

  package var entries: [ConfigurationValue.Entry] {
    selection.entries + [
      .init("solver_order", .integer(order)),
      .init("solver_type", .string(variant.rawValue)),
      .init("predict_x0", .bool(predictsClean)),
      .init("lower_order_final", .bool(lowerOrderFinal)),
    ] + bounds.entries
  }

  package func step(
    _ x: Tensor, output: Tensor, history: SolverHistory, call index: Int, of plan: TrajectoryPlan,
    noise: () throws -> Tensor
  ) throws -> StepResult {
    let call = plan.calls[index]
    let predicted = try Predictions(x, output: output, at: call.level, process: plan.process, within: bounds)
    let value = predictsClean ? predicted.clean : predicted.limitedNoise
    var state = x
    if let start = history.start, index > 0 {
      state = integrated(
        start, from: plan.calls[index - 1], history.predictions, order: order(index - 1, of: plan), arriving: value)
    }
    let predictions = history.adding(value, at: call.level, keeping: order)
    let previous = integrated(state, from: call, predictions, order: order(index, of: plan), arriving: nil)
    return StepResult(
      previous: previous, clean: predicted.clean, history: SolverHistory(predictions: predictions, start: state))
  }

  /// The predictor's order at a step.
  private func order(_ index: Int, of plan: TrajectoryPlan) -> Int {
    let call = plan.calls[index]
    let allowed = min(order, index + 1)
    // No distance to fit a line over, or an infinite one.
    if call.next.isClean || call.next == call.level { return 1 }
    return lowerOrderFinal ? min(allowed, plan.calls.count - index) : allowed
  }

  /// The state that a step leads to: predicted from the predictions up to its beginning (algorithm 2, UniP), or corrected with
  /// the one at its end (algorithm 1, UniC).
  /// - Parameters: predictions: those up to the step's beginning, newest last; arriving: the prediction at its end.
  private func integrated(
    _ x: Tensor, from call: NetworkCall, _ predictions: [SolverHistory.Prediction], order: Int, arriving: Tensor?
  ) -> Tensor {
    let step = ExponentialStep(from: call.level, to: call.next, predicting: predictsClean ? .clean : .epsilon)
    let newestFirst = Array(predictions.reversed())
    let ratios = (1..<max(order, 1)).map { step.ratio(of: newestFirst[$0].level) } + (arriving == nil ? [] : [1])
    // Where nothing moves there is nothing to correct.
    let moves = step.rise != 0 && step.rise.isFinite
    let shares = moves ? self.shares(step, ratios: ratios, order: order, corrects: arriving != nil) : []
    // Each difference (m_k - m_0) / r_k has its share of B(h).
    let others = newestFirst.dropFirst().prefix(order - 1).map(\.value) + (arriving.map { [$0] } ?? [])
    var newest = step.phi1
    var terms: [(Double, Tensor)] = []
    for (position, share) in shares.enumerated() {
      let weight = share / ratios[position]
      newest -= weight
      terms.append((-step.scale * weight, others[position]))
    }
    return .combining([(step.base, x), (-step.scale * newest, newestFirst[0].value)] + terms)
  }

  /// B(h) a_m for each difference (equation 10 of the paper: R a B = phi), in which the powers of the ratios match as many
  /// terms of the expansion as there are differences. The order-2 predictor and the order-1 corrector have 1/2 for whatever h.
  private func shares(_ step: ExponentialStep, ratios: [Double], order: Int, corrects: Bool) -> [Double] {
    let scale = variant == .bh1 ? step.exponent : step.phi1
    if ratios.count == 1 { return [scale / 2] }
    var right: [Double] = []
    var (psi, factorial) = (step.psi2, 1.0)
    for term in ratios.indices.map({ $0 + 1 }) {
      right.append(psi * factorial)
      factorial *= Double(term + 1)
      psi = psi / step.exponent - 1 / factorial
    }
    return Self.solved(ratios, right)
  }

  /// Solves sum_m ratios[m]^k s_m = right[k], k = 0, 1, …, ratios all different (Björck and Pereyra 1970: Newton's form, then
  /// divided differences).
  private static func solved(_ ratios: [Double], _ right: [Double]) -> [Double] {
    let count = ratios.count
    if count == 0 { return [] }
    var values = right
    for k in 0..<count - 1 {
      for i in stride(from: count - 1, to: k, by: -1) { values[i] -= ratios[k] * values[i - 1] }
    }
    for k in stride(from: count - 2, through: 0, by: -1) {
      for i in (k + 1)..<count { values[i] /= ratios[i] - ratios[i - k - 1] }
      for i in k..<count - 1 { values[i] -= values[i + 1] }
    }
    return values
  }
}
