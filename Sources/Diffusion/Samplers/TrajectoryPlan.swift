import Tensors

/// One call of the network as a sampler plans it.
package struct NetworkCall: Sendable, Equatable {
  /// What networks, tables and reports know of the call.
  package let step: Step
  /// The noise level of what the network is given.
  package let level: NoiseLevel
  /// The noise level of what the call leads to.
  package let next: NoiseLevel
  /// Whether the call is the second one of a step and corrects what the call before it made.
  package let corrects: Bool

  package init(step: Step, level: NoiseLevel, next: NoiseLevel, corrects: Bool = false) {
    self.step = step
    self.level = level
    self.next = next
    self.corrects = corrects
  }
}

/// The network calls of a sampler on a model's process, in execution order.
package struct TrajectoryPlan: Sendable, Equatable {
  package let process: DiffusionProcess
  package let calls: [NetworkCall]

  package init(process: DiffusionProcess, calls: [NetworkCall]) {
    self.process = process
    self.calls = calls
  }

  package var steps: [Step] { calls.map(\.step) }
  /// How many steps the sampler takes: its calls without those that correct.
  package var stepCount: Int { calls.count { !$0.corrects } }
}

/// What a solver remembers from call to call. A value: a trajectory goes on from a state and its history with equal bits.
package struct SolverHistory: Sendable, Equatable {
  /// What an earlier call predicted, and at which noise level.
  package struct Prediction: Sendable, Equatable {
    package let level: NoiseLevel
    /// x_0, epsilon or a derivative, as the solver needs it. N C H W.
    package let value: Tensor
  }

  /// Oldest first, as many as the solver's order asks for.
  package var predictions: [Prediction] = []
  /// The state that the step under way, or the last one, started from, where the solver goes back to it. N C H W.
  package var start: Tensor?

  package init(predictions: [Prediction] = [], start: Tensor? = nil) {
    self.predictions = predictions
    self.start = start
  }

  /// Nothing: before the first call, and after every call of a solver that looks at the present state alone.
  package static let none = SolverHistory()

  /// The predictions with one more, the oldest left out beyond `count`.
  func adding(_ value: Tensor, at level: NoiseLevel, keeping count: Int) -> [Prediction] {
    (predictions + [Prediction(level: level, value: value)]).suffix(count)
  }
}
