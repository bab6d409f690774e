import Diffusion
import Graphs
import Tensors

/// What distinguishes calls whose constants can be shared: everything the temporal block depends on.
struct CallKey: Hashable, Sendable {
  /// nil for networks that read none.
  let timestep: Timestep?
  /// Without a context.
  let conditioning: Conditioning
  let stepIndex: Int?

  var label: Int? { conditioning.label }

  /// The number that an input stands for. - Precondition: the call was checked (`Graph.check`).
  func number(of meaning: GraphInput.Meaning?) -> Double {
    switch meaning {
    case .timestep: timestep?.value ?? 0
    case .label: Double(label ?? 0)
    case .sample, .context, .vector, nil: preconditionFailure("no number")
    }
  }
}

/// What a program needs that depends on the step and the conditioning, not on the image: biases with the temporal features added,
/// and the integer layers' scales and start values. Computed once per key, shared by every image.
final class CallConstants: Sendable {
  /// Of one part of a contraction: offsets into `floats` and `integers`.
  struct Part: Sendable {
    let bias: Int
    let scale: Int
    let start: Int
  }

  /// Constants of one contraction.
  struct Slot: Sendable {
    let parts: [Part]
    let input: AffineQuantizer?
    let output: AffineQuantizer?
  }

  let key: CallKey
  let floats: [Float]
  let integers: [Int32]
  let slots: [Slot]
  /// Temporal vectors the image program reads, by node: offsets into `floats`.
  let vectors: [Int: Int]

  /// - Parameter temporal: values of the temporal nodes that the program reads.
  init(_ program: Program, key: CallKey, temporal: [Int: [Float]]) {
    self.key = key
    var floats: [Float] = []
    var integers: [Int32] = []
    var slots: [Slot] = []
    var vectors: [Int: Int] = [:]
    for node in temporal.keys.sorted() {
      vectors[node] = floats.count
      floats += temporal[node]!
    }
    for contraction in program.contractions {
      let input = contraction.inputQuantizers?.quantizer(at: key)
      var bias = contraction.bias
      if let node = contraction.temporalBias {
        for (channel, value) in temporal[node]!.enumerated() { bias[channel] += value }
      }
      let padded = bias.count
      var parts: [Part] = []
      for (position, part) in contraction.parts.enumerated() {
        parts.append(Part(bias: floats.count, scale: floats.count + padded, start: integers.count))
        // The first part brings the bias; the others add to what is there.
        floats += position == 0 ? bias : [Float](repeating: 0, count: padded)
        guard contraction.isInteger, let input else { continue }
        let scale = input.scales[part.granule]
        floats += part.weightScales.map { scale * $0 }
        floats += [Float](repeating: 0, count: padded - part.weightScales.count)
        // The codes' zero point multiplies every weight of the channel: fold it into where the sum starts.
        integers += part.weights.startValues(zeroPoint: input.zeroPoints[part.granule])
      }
      slots.append(Slot(parts: parts, input: input, output: contraction.outputQuantizers?.quantizer(at: key)))
    }
    self.floats = floats
    self.integers = integers
    self.slots = slots
    self.vectors = vectors
  }
}

extension ActivationQuantizers {
  /// The row for a call. - Precondition: the call was checked (`QuantizationTable.check`).
  func quantizer(at key: CallKey) -> AffineQuantizer {
    quantizer(stepIndex: key.stepIndex ?? 0, label: key.label, branch: key.conditioning.branch)
  }
}
