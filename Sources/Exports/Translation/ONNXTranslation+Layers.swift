import Graphs
import Tensors

/// Convolutions and linear layers.
extension ONNXTranslation {
  /// A layer's weight as it is read: out channels first, then input channels, then the taps of a kernel.
  struct LayerWeight {
    let node: Node
    let name: String
    let dims: [Int]
    let codes: QuantizedWeight?

    var rows: Int { dims[0] }
    var channels: Int { dims[1] }
    var taps: Int { dims.dropFirst(2).reduce(1, *) }
  }

  mutating func layer(_ node: Node, _ input: String) -> String {
    let parameters = node.op.parameters
    let weight = LayerWeight(
      node: node, name: parameters[0], dims: graph.parameterDims(of: node) ?? [],
      codes: isQuantized ? table.weights[node.path] : nil)
    let shape = graph.nodes[node.inputs[0]].shape
    let site = Site(node: node.path, role: .input)
    let quantizers = isQuantized ? table.activations[site] : nil
    let smoothed = smoothed(node, input, weight, shape)
    let stretches = stretches(node, weight, quantizers)
    let result: String
    if stretches.count == 1 {
      let operand = quantizers.map { coded(smoothed, $0, Axes(shape), as: site.description) } ?? smoothed
      result = product(node, operand, weight, 0..<weight.channels, suffix: "", isFirst: true)
    } else {
      result = sumOfProducts(node, smoothed, weight, quantizers, stretches, shape)
    }
    return coded(result, at: Site(node: node.path, role: .output), Axes(node.shape))
  }

  /// The input divided by the scales of its channels that the weight was multiplied with, where it was.
  private mutating func smoothed(_ node: Node, _ input: String, _ weight: LayerWeight, _ shape: Shape) -> String {
    guard let scales = weight.codes?.inputScales else { return input }
    let factors = onnx.floats(node.path + ".input_scales", shape.perChannel) { scales.map { 1 / $0 } }
    return onnx.emit("Mul", [input, factors], as: node.path + ".smoothed")
  }

  /// Stretches of the input's channels that have ranges, or weights' scales, of their own.
  private mutating func stretches(
    _ node: Node, _ weight: LayerWeight, _ quantizers: ActivationQuantizers?
  ) -> [Range<Int>] {
    var boundaries = Set(quantizers?.rows[0].boundaries ?? [])
    for boundary in weight.codes?.quantizer.boundaries ?? [] {
      if boundary % weight.taps != 0 { problem(node, "its weight's scales change within a channel's kernel") }
      boundaries.insert(boundary / weight.taps)
    }
    if let quantizers, quantizers.rows.contains(where: { $0.granularity != quantizers.rows[0].granularity }) {
      problem(node, "its input is taken apart otherwise at other sampling steps")
    }
    let ends = boundaries.sorted()
    return zip([0] + ends, ends + [weight.channels]).map { $0..<$1 }
  }

  /// A layer whose input channels stand on several grids: the sum of its products with each stretch.
  private mutating func sumOfProducts(
    _ node: Node, _ input: String, _ weight: LayerWeight, _ quantizers: ActivationQuantizers?,
    _ stretches: [Range<Int>], _ shape: Shape
  ) -> String {
    let parts = onnx.emit(
      "Split", [input, onnx.integers(stretches.map(\.count))],
      as: stretches.map { "\(node.path).channels.\($0.lowerBound)" }, [("axis", .integer(shape.channelAxis))])
    var sum: String?
    for (part, stretch) in zip(parts, stretches) {
      let suffix = ".\(stretch.lowerBound)"
      var axes = Axes(shape)
      axes.channels = stretch.count
      let operand =
        quantizers.map {
          coded(part, $0.part(from: stretch), axes, as: Site(node: node.path, role: .input).description + suffix)
        } ?? part
      let product = product(node, operand, weight, stretch, suffix: suffix, isFirst: sum == nil)
      sum = sum.map { onnx.emit("Add", [$0, product], as: node.path + ".sum" + suffix) } ?? product
    }
    return sum ?? input
  }

  /// The layer's product with a stretch of its input's channels. - Parameter isFirst: whether the bias is added to it.
  private mutating func product(
    _ node: Node, _ x: String, _ weight: LayerWeight, _ channels: Range<Int>, suffix: String, isFirst: Bool
  ) -> String {
    switch node.op {
    case .conv2d(let convolution):
      let padding = convolution.padding
      let bias = isFirst ? convolution.bias.map { array($0) } : nil
      let kernel = self.weight(weight, channels, suffix: suffix, transposed: false)
      return onnx.emit(
        "Conv", [x, kernel] + (bias.map { [$0] } ?? []), as: node.path + suffix,
        [
          ("kernel_shape", .integers([convolution.dims[2], convolution.dims[3]])),
          ("strides", .integers([convolution.stride, convolution.stride])),
          ("pads", .integers([padding.top, padding.left, padding.bottom, padding.right])),
        ])
    case .linear(_, let bias):
      let matrix = self.weight(weight, channels, suffix: suffix, transposed: true)
      let bias = isFirst ? bias : nil
      let product = onnx.emit("MatMul", [x, matrix], as: node.path + suffix + (bias == nil ? "" : ".product"))
      return bias.map { onnx.emit("Add", [product, array($0)], as: node.path + suffix) } ?? product
    default:
      problem(node, "is no layer")
      return x
    }
  }

  /// The weight of a stretch of input channels, as an array of Floats or as codes with the node that gives them their scales.
  /// - Parameter transposed: input channels first, as a matrix that is multiplied from the right.
  private mutating func weight(
    _ weight: LayerWeight, _ channels: Range<Int>, suffix: String, transposed: Bool
  ) -> String {
    let dims = transposed ? [channels.count, weight.rows] : [weight.rows, channels.count] + weight.dims.dropFirst(2)
    @Sendable func cut<T>(_ values: [T]) -> [T] { Self.cut(values, weight, channels, transposed: transposed) }
    guard let codes = weight.codes else {
      let (quantized, float) = (table.weights[weight.node.path], values(of: weight.name))
      return onnx.floats(weight.name + suffix, dims) { cut(quantized?.dequantized.values ?? float()) }
    }
    let quantizer = codes.quantizer
    let offset = 1 << (quantizer.bits - 1)
    let centered: @Sendable () -> [UInt8] = { cut(codes.codes).map { UInt8(truncatingIfNeeded: Int($0) - offset) } }
    let name = weight.name + suffix
    let isNarrow = quantizer.bits <= 4 && options.weightWidth == .smallest
    let integers = onnx.add(
      isNarrow ? .halfBytes(name + ".codes", dims, centered) : .bytes(name + ".codes", dims, signed: true, centered))
    let granules = (0..<weight.rows).map { quantizer.granule(ofRow: $0, position: channels.lowerBound * weight.taps) }
    let isWhole = quantizer.granularity == .perTensor
    let scales = isWhole ? quantizer.scales : granules.map { quantizer.scales[$0] }
    let scaleDims = isWhole ? [] : [weight.rows]
    let scale = onnx.floats(name + ".scale", scaleDims) { scales }
    let zeros = (isWhole ? quantizer.zeroPoints : granules.map { quantizer.zeroPoints[$0] }).map { $0 - offset }
    let range = isNarrow ? -8..<8 : -128..<128
    if !zeros.allSatisfy(range.contains) {
      problem(weight.node, "a zero point of its weight is no code of \(isNarrow ? 4 : 8) bits")
    }
    // Written where all are zero, too: a runtime that turns signed codes into unsigned ones needs one for each scale.
    let bytes: @Sendable () -> [UInt8] = { zeros.map { UInt8(truncatingIfNeeded: $0) } }
    let zeroName = name + ".zero_point"
    let zero = onnx.add(
      isNarrow ? .halfBytes(zeroName, scaleDims, bytes) : .bytes(zeroName, scaleDims, signed: true, bytes))
    return onnx.emit(
      "DequantizeLinear", [integers, scale, zero], as: name, isWhole ? [] : [("axis", .integer(transposed ? 1 : 0))])
  }

  private static func cut<T>(
    _ values: [T], _ weight: LayerWeight, _ channels: Range<Int>, transposed: Bool
  ) -> [T] {
    let (all, taps) = (weight.channels, weight.taps)
    if transposed {
      return channels.flatMap { channel in (0..<weight.rows).map { values[$0 * all + channel] } }
    }
    if channels.count == all { return values }
    return (0..<weight.rows).flatMap { row in
      values[((row * all + channels.lowerBound) * taps)..<((row * all + channels.upperBound) * taps)]
    }
  }
}

extension ActivationQuantizers {
  /// The quantisers of a stretch of channels that one scale serves.
  fileprivate func part(from channels: Range<Int>) -> ActivationQuantizers {
    replacing(
      rows: rows.map { row in
        let granule = row.granule(ofChannel: channels.lowerBound)
        if case .split = row.granularity {
          return AffineQuantizer(bits: row.bits, scale: row.scales[granule], zeroPoint: row.zeroPoints[granule])
        }
        guard case .perChannel = row.granularity else { return row }
        return AffineQuantizer(
          bits: row.bits, granularity: .perChannel, scales: Array(row.scales[channels]),
          zeroPoints: Array(row.zeroPoints[channels]))
      })
  }
}
