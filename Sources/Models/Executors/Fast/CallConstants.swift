import Diffusion
import Tensors

/// What distinguishes calls whose constants can be shared: everything the temporal block depends on.
struct CallKey: Hashable, Sendable {
  let timestep: Timestep
  let label: Int?
  let stepIndex: Int?
}

/// What a program needs that depends on the step and label, not on the image: biases with the temporal features added,
/// and the integer layers' scales and start values. Computed once per key, shared by every image.
final class CallConstants: Sendable {
  /// Constants of one contraction: offsets into `floats` and `integers`.
  struct Slot: Sendable {
    let bias: Int
    let scale: Int
    let start: Int
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
      slots.append(
        Slot(
          bias: floats.count, scale: floats.count + padded, start: integers.count, input: input,
          output: contraction.outputQuantizers?.quantizer(at: key)))
      floats += bias
      if contraction.arithmetic == .integer, let input {
        let scale = input.scales[0]
        floats += contraction.weightScales.map { scale * $0 }
        floats += [Float](repeating: 0, count: padded - contraction.weightScales.count)
        // The codes' zero point multiplies every weight of the channel: fold it into where the sum starts.
        integers += contraction.weights.startValues(zeroPoint: input.zeroPoints[0])
      }
    }
    self.floats = floats
    self.integers = integers
    self.slots = slots
    self.vectors = vectors
  }
}

extension ActivationQuantizers {
  /// The row for a call. - Precondition: the call was checked (`FastExecutor.check`).
  func quantizer(at key: CallKey) -> AffineQuantizer { quantizer(stepIndex: key.stepIndex ?? 0, label: key.label) }
}
