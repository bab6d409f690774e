import Graphs
import Tensors

/// What a convolution or linear layer contributes to a `Contraction`: packed weights, bias, geometry, quantisers.
struct ContractionLayer {
  let parts: [ContractionPart]
  let bias: [Float]
  let kernel: (height: Int, width: Int)
  let stride: Int
  let padding: Convolution.Padding
  let inputQuantizers: ActivationQuantizers?
  let outputQuantizers: ActivationQuantizers?
  /// What the input's channels are divided by before they are quantised; nil: ones.
  let inputScales: [Float]?

  /// Whether the weights are transformed for tiles of 4x4 outputs.
  var isWinograd: Bool { parts[0].weights.format == .winograd }
  var isBFloat16: Bool { parts[0].weights.format == .bfloat16 }
  /// Whether codes are multiplied; where a quantised input is not, it is simulated.
  var isInteger: Bool { parts[0].weights.format == .integer }

  /// - Parameter layout: of integer weights, as the kernels read them.
  init(
    _ node: Node, model: Model, table: QuantizationTable, arithmetic: Arithmetic, layout: IntegerLayout
  ) throws {
    let integer = arithmetic == .integer
    let weightName: String
    let biasName: String?
    switch node.op {
    case .conv2d(let convolution):
      (weightName, biasName) = (convolution.weight, convolution.bias)
      kernel = (convolution.dims[2], convolution.dims[3])
      stride = convolution.stride
      padding = convolution.padding
    case .linear(let weight, let bias):
      (weightName, biasName) = (weight, bias)
      kernel = (1, 1)
      stride = 1
      padding = .init(leading: 0, trailing: 0)
    default: preconditionFailure("\(node.path) is no contraction")
    }
    let dims = model.graph.parameterDims(of: node)!
    let (out, input) = (dims[0], dims[1])

    let quantized = table.weights[node.path]
    if let quantized, quantized.dims != dims { throw ExecutionError.shape(expected: dims, found: quantized.dims) }
    inputQuantizers = table.activations[Site(node: node.path, role: .input)]
    outputQuantizers = table.activations[Site(node: node.path, role: .output)]
    if integer, outputQuantizers != nil {
      throw ExecutionError.unsupported(
        site: "\(node.path):output", reason: "quantised outputs exist in simulation only")
    }

    let blocks = PackedWeights.blocks(out)
    var bias = [Float](repeating: 0, count: blocks * PackedWeights.blockWidth)
    if let biasName { bias.replaceSubrange(0..<out, with: model.parameters[biasName]!.values) }
    self.bias = bias

    let taps = kernel.height * kernel.width
    inputScales = inputQuantizers == nil ? nil : quantized?.inputScales
    if integer, let quantized, let inputQuantizers {
      let codes = try Self.signedCodes(quantized, path: node.path)
      parts = try Self.parts(codes, quantized.quantizer, input: inputQuantizers.rows[0], out, input, taps, layout)
    } else {
      let values = try quantized?.dequantized ?? model.parameter(weightName)!
      let weights: PackedWeights
      switch arithmetic {
      case .winograd where Self.paysWinograd(node, out: out, input: input, taps: taps):
        weights = try .winograd(values.values, outputChannels: out, inputChannels: input)
      case .bfloat16 where Self.paysBFloat16(dims):
        weights = try .bfloat16(values.values, outputChannels: out, inputChannels: input, taps: taps)
      default: weights = try .float(values.values, outputChannels: out, inputChannels: input, taps: taps)
      }
      parts = [ContractionPart(channels: 0..<input, weights: weights, weightScales: [], granule: 0)]
    }
  }

  /// One part for each stretch of input channels with its own scales, of the weight or of the input.
  private static func parts(
    _ codes: [Int8], _ quantizer: AffineQuantizer, input: AffineQuantizer, _ outputs: Int, _ inputs: Int, _ taps: Int,
    _ layout: IntegerLayout
  ) throws(KernelError) -> [ContractionPart] {
    let row = inputs * taps
    let ends = Set(input.boundaries + quantizer.boundaries.map { $0 / taps } + [inputs]).sorted()
    var parts: [ContractionPart] = []
    for (position, end) in ends.enumerated() {
      let start = position == 0 ? 0 : ends[position - 1]
      let own = (0..<outputs).flatMap { codes[($0 * row + start * taps)..<($0 * row + end * taps)] }
      parts.append(
        ContractionPart(
          channels: start..<end,
          weights: try .integer(
            own, outputChannels: outputs, inputChannels: end - start, taps: taps, layout: layout),
          weightScales: (0..<outputs).map {
            quantizer.scales[quantizer.granule(ofRow: $0, position: start * taps)]
          },
          granule: input.granule(ofChannel: start)))
    }
    return parts
  }

  /// On smaller maps the transformed weights, four times as many, have too little work each.
  private static let fewestWinogradPixels = 64

  private static func paysWinograd(_ node: Node, out: Int, input: Int, taps: Int) -> Bool {
    guard case .conv2d(let convolution) = node.op, convolution.stride == 1, convolution.dims[2] == convolution.dims[3],
      PackedWeights.allowsWinograd(outputChannels: out, inputChannels: input, taps: taps)
    else { return false }
    let pixels = node.shape.pixels
    return pixels.height * pixels.width >= fewestWinogradPixels
  }

  /// Channels of an image are few and odd, and images are what rounding would be seen in.
  /// - Parameter dims: of the weight.
  static func paysBFloat16(_ dims: [Int]) -> Bool { dims[0] > 8 && dims[1] > 8 && dims[1] % 2 == 0 }

  /// Codes minus zero points as the signed bytes that the kernels multiply.
  private static func signedCodes(_ weight: QuantizedWeight, path: String) throws(ExecutionError) -> [Int8] {
    let row = weight.codes.count / max(weight.dims[0], 1)
    var out = [Int8](repeating: 0, count: weight.codes.count)
    for channel in 0..<weight.dims[0] {
      for position in 0..<row {
        let i = channel * row + position
        let zero = weight.quantizer.zeroPoints[weight.quantizer.granule(ofRow: channel, position: position)]
        guard let code = Int8(exactly: Int(weight.codes[i]) - zero) else {
          throw .unsupported(
            site: "\(path):weight",
            reason: "code \(weight.codes[i]) with zero point \(zero) does not fit a signed byte; asymmetric "
              + "\(weight.quantizer.bits)-bit weights run in simulation only")
        }
        out[i] = code
      }
    }
    return out
  }
}
