import Tensors

/// What a convolution or linear layer contributes to a `Contraction`: packed weights, bias, geometry, quantisers.
struct ContractionLayer {
  let arithmetic: Arithmetic
  let weights: PackedWeights
  let bias: [Float]
  let kernel: (height: Int, width: Int)
  let stride: Int
  let padding: Convolution.Padding
  let inputQuantizers: ActivationQuantizers?
  let outputQuantizers: ActivationQuantizers?
  let weightScales: [Float]

  init(_ node: Node, model: Model, table: QuantizationTable, integer: Bool) throws {
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
    let dims = model.graph.parameters.first { $0.name == weightName }!.dims
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

    if integer, let quantized, inputQuantizers != nil {
      arithmetic = .integer
      let codes = try Self.signedCodes(quantized, path: node.path)
      weights = try .integer(
        codes, outputChannels: out, inputChannels: input, taps: kernel.height * kernel.width)
      weightScales = (0..<out).map { quantized.quantizer.scales[quantized.quantizer.granule(ofChannel: $0)] }
    } else {
      arithmetic = inputQuantizers == nil ? .float : .simulated
      let values = quantized?.dequantized ?? model.parameters[weightName]!
      weights = try .float(
        values.values, outputChannels: out, inputChannels: input, taps: kernel.height * kernel.width)
      weightScales = []
    }
  }

  /// Codes minus zero points as the signed bytes that the kernels multiply.
  private static func signedCodes(_ weight: QuantizedWeight, path: String) throws(ExecutionError) -> [Int8] {
    let row = weight.codes.count / max(weight.dims[0], 1)
    var out = [Int8](repeating: 0, count: weight.codes.count)
    for channel in 0..<weight.dims[0] {
      let zero = weight.quantizer.zeroPoints[weight.quantizer.granule(ofChannel: channel)]
      for i in (channel * row)..<((channel + 1) * row) {
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
