import Diffusion
import Tensors

/// A weight as integer codes: what is saved, what integer execution multiplies and what simulation dequantises.
package struct QuantizedWeight: Sendable, Equatable {
  /// Out channels first, as in the checkpoint.
  package let dims: [Int]
  package let quantizer: AffineQuantizer
  /// Codes 0..<2^bits, row-major in `dims`.
  package let codes: [UInt8]
  /// Per input channel: the codes stand for the weight times this, and the layer's quantised input is divided by it
  /// before its codes are taken (OS+: Wei et al. 2023). Powers of two, so that neither rounds; nil: ones.
  package let inputScales: [Float]?

  package init(dims: [Int], quantizer: AffineQuantizer, codes: [UInt8], inputScales: [Float]? = nil) {
    precondition(dims.reduce(1, *) == codes.count)
    precondition(inputScales.map { $0.count == dims[1] } ?? true)
    self.inputScales = inputScales
    self.dims = dims
    self.quantizer = quantizer
    self.codes = codes
  }

  /// The Float weight that the codes stand for.
  package var dequantized: Tensor {
    let row = codes.count / max(dims[0], 1)
    var values = quantizer.dequantized(codes, channelStride: row, channelCount: dims[0])
    if let inputScales {
      let taps = row / inputScales.count
      for position in values.indices { values[position] /= inputScales[position % row / taps] }
    }
    return Tensor(dims, values)
  }
}

/// The quantisers of one activation site: one for all steps, or a row per sampling step (finite set calibration, Huang
/// et al. 2024, section 3.3), or per step and class label for the temporal block of class-conditional models; with guidance, a row for
/// each of the network's two calls.
package struct ActivationQuantizers: Sendable, Equatable {
  package enum Key: Sendable, Hashable {
    case shared
    case step
    case stepAndLabel(classCount: Int)
    case branch
    case stepAndBranch

    /// Which row a call reads. What is not guided is conditional.
    package func row(stepIndex: Int, label: Int?, branch: GuidanceBranch? = nil) -> Int {
      let branch = (branch ?? .conditional).rawValue
      return switch self {
      case .shared: 0
      case .step: stepIndex
      case .stepAndLabel(let classCount): stepIndex * classCount + (label ?? 0)
      case .branch: branch
      case .stepAndBranch: stepIndex * GuidanceBranch.allCases.count + branch
      }
    }

    /// Rows of one sampling step; nil where rows do not depend on it.
    package var rowsPerStep: Int? {
      switch self {
      case .shared, .branch: nil
      case .step: 1
      case .stepAndLabel(let classCount): classCount
      case .stepAndBranch: GuidanceBranch.allCases.count
      }
    }
  }
  package let key: Key
  /// Row-major: step, then label or branch.
  package let rows: [AffineQuantizer]
  /// Of attention's probabilities: whether their numerators are quantised, e^(score - the row's largest score), and a row is
  /// divided by the sum of what they became. On the grid of [0, 1] in eight bits, probabilities of more than 510 equal keys all
  /// become zero; their numerators are one.
  package let areNumerators: Bool

  package init(key: Key, rows: [AffineQuantizer], areNumerators: Bool = false) {
    precondition(!rows.isEmpty && (key != .shared || rows.count == 1))
    self.key = key
    self.rows = rows
    self.areNumerators = areNumerators
  }

  package init(shared quantizer: AffineQuantizer, areNumerators: Bool = false) {
    self.init(key: .shared, rows: [quantizer], areNumerators: areNumerators)
  }

  /// The same table with other quantisers.
  package func replacing(rows: [AffineQuantizer]) -> ActivationQuantizers {
    ActivationQuantizers(key: key, rows: rows, areNumerators: areNumerators)
  }

  /// - Parameters: stepIndex: position in the sampler's execution order; label: the image's class, if any.
  package func quantizer(stepIndex: Int, label: Int?, branch: GuidanceBranch? = nil) -> AffineQuantizer {
    rows[key.row(stepIndex: stepIndex, label: label, branch: branch)]
  }
}

/// Quantisation of a model: a table keyed by site. What is absent stays float. The graph is never rewritten.
package struct QuantizationTable: Sendable, Equatable {
  /// By node path: the layer's integer weight.
  package var weights: [String: QuantizedWeight] = [:]
  /// By site, roles `.input`, `.operand` and, in simulation only, `.output`.
  package var activations: [Site: ActivationQuantizers] = [:]
  /// By node path: temporal features that are looked up instead of computed.
  package var features: [String: KeptFeature] = [:]

  package init() {}

  /// Whether any row depends on the sampling step, so that only the calibrated steps can be executed.
  package var dependsOnStep: Bool { !features.isEmpty || activations.values.contains { $0.key.rowsPerStep != nil } }
}
