import Graphs

/// How a network is written as an ONNX graph.
package struct ONNXOptions: Sendable {
  /// What becomes of quantised weights and activations.
  package enum Form: String, Sendable, CaseIterable {
    /// Weights are integers with their scales, activations pass through QuantizeLinear and DequantizeLinear.
    case quantized
    /// Weights are the Float values that the codes stand for, activations stay float.
    case float
  }

  /// How wide the integers of weights are.
  package enum WeightWidth: Sendable {
    /// Four bits where codes fit, else a byte.
    case smallest
    /// A byte always, for runtimes that know no narrower ones or multiply them slowly.
    case byte
  }

  package var form: Form
  package var weightWidth: WeightWidth
  /// The sampling steps that the file serves, ascending positions in the sampler's order; nil: all. Of a single step the tables are constants.
  package var steps: ClosedRange<Int>?

  package init(form: Form, weightWidth: WeightWidth = .smallest, steps: ClosedRange<Int>? = nil) {
    self.form = form
    self.weightWidth = weightWidth
    self.steps = steps
  }
}

/// Names of a file's inputs and outputs.
package enum ONNXName {
  /// What is denoised, F32 [batch, C, H, W].
  package static let sample = "x"
  /// The training timestep of each image, F32 [batch].
  package static let timestep = "t"
  /// The class of each image, I64 [batch].
  package static let label = "label"
  /// Tokens of each image, F32 [batch, L, D].
  package static let context = "context"
  /// The position in the sampler's order, one I64 for the call.
  package static let step = "step"
  /// Which of guidance's two calls each image is for, I64 [batch]: 0 the conditional one, 1 the unconditional one.
  package static let branch = "branch"
  package static let result = "y"
}
