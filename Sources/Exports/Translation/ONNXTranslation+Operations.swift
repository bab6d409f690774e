import Graphs
import Tensors

extension ONNXTranslation {
  /// An operation's translation. - Returns: the value that stands for its result.
  mutating func operation(_ node: Node, _ x: [String]) -> String {
    let (path, shape) = (node.path, node.shape)
    switch node.op {
    case .input: return value(of: node)
    case .sinusoidalEmbedding(let embedding): return sinusoids(node, embedding, x[0])
    case .fourierEmbedding(let weight, let flip): return fourier(node, weight, flip, x[0])
    case .embedding(let table): return row(node, of: table, x[0])
    case .conv2d, .linear: return layer(node, x[0])
    case .attention(let attention): return self.attention(node, attention, x)
    case .groupNorm(let scale, let shift, let groups, let epsilon):
      return groupNorm(node, x[0], scale: scale, shift: shift, groups: groups, epsilon: epsilon)
    case .layerNorm(let scale, let shift, let epsilon):
      return onnx.emit(
        "LayerNormalization", [x[0], array(scale), array(shift)], as: path,
        [("axis", .integer(-1)), ("epsilon", .float(epsilon))])
    case .activation(let activation): return self.activation(activation, x[0], as: path)
    case .geglu:
      let halves = halves(x[0], axis: 2, width: shape.channels, as: path)
      return onnx.emit("Mul", [halves[0], onnx.emit("Gelu", [halves[1]], as: path + ".gate")], as: path)
    case .add: return onnx.emit("Add", x, as: path)
    case .addPerChannel: return onnx.emit("Add", [x[0], spread(x[1], over: shape, as: path)], as: path)
    case .scaleShift:
      let halves = halves(x[1], axis: 1, width: shape.channels, as: path)
      let factor = onnx.emit("Add", [halves[0], onnx.number(1)], as: path + ".factor")
      let scaled = onnx.emit("Mul", [x[0], spread(factor, over: shape, as: path)], as: path + ".scaled")
      return onnx.emit("Add", [scaled, spread(halves[1], over: shape, as: path)], as: path)
    case .affine(let scale, let offset):
      let scaled = onnx.emit("Mul", [x[0], onnx.number(scale)], as: offset == 0 ? path : path + ".scaled")
      return offset == 0 ? scaled : onnx.emit("Add", [scaled, onnx.number(offset)], as: path)
    case .divideByTimestep:
      let divisor = onnx.reshape(x[1], [-1] + shape.dims.map { _ in 1 }, as: path + ".divisor")
      return onnx.emit("Div", [x[0], divisor], as: path)
    case .concatenate: return onnx.emit("Concat", x, as: path, [("axis", .integer(1))])
    case .upsampleNearest:
      let factors = onnx.share(.floats("scales.1_1_2_2", [4]) { [1, 1, 2, 2] })
      return onnx.emit(
        "Resize", [x[0], "", factors], as: path,
        [
          ("mode", .string("nearest")), ("nearest_mode", .string("floor")),
          ("coordinate_transformation_mode", .string("asymmetric")),
        ])
    case .averagePool:
      return onnx.emit(
        "AveragePool", x, as: path, [("kernel_shape", .integers([2, 2])), ("strides", .integers([2, 2]))])
    case .pool(let pooling): return pool(node, pooling, x[0])
    case .globalAveragePool:
      return onnx.emit("ReduceMean", [x[0], onnx.integers([2, 3])], as: path, [("keepdims", .integer(0))])
    case .toTokens:
      let rows = onnx.reshape(x[0], [0, shape.channels, shape.positions], as: path + ".rows")
      return onnx.emit("Transpose", [rows], as: path, [("perm", .integers([0, 2, 1]))])
    case .fromTokens(let height, let width):
      let rows = onnx.emit("Transpose", [x[0]], as: path + ".rows", [("perm", .integers([0, 2, 1]))])
      return onnx.reshape(rows, [0, shape.channels, height, width], as: path)
    }
  }

  /// SiLU x sigmoid(x), and what ONNX has by name.
  private mutating func activation(_ kind: Activation, _ x: String, as path: String) -> String {
    switch kind {
    case .silu: onnx.emit("Mul", [x, onnx.emit("Sigmoid", [x], as: path + ".sigmoid")], as: path)
    case .gelu: onnx.emit("Gelu", [x], as: path)
    case .relu: onnx.emit("Relu", [x], as: path)
    case .mish: onnx.emit("Mish", [x], as: path)
    }
  }

  /// Groups become the channels of an instance normalisation, which every runtime has; the affine part follows channel by channel.
  private mutating func groupNorm(
    _ node: Node, _ x: String, scale: String, shift: String, groups: Int, epsilon: Float
  ) -> String {
    let shape = node.shape
    if case .tokens = shape { problem(node, "normalises groups of tokens' channels") }
    let path = node.path
    let grouped = onnx.reshape(x, [0, groups, -1], as: path + ".groups")
    let normal = onnx.emit(
      "InstanceNormalization",
      [grouped, onnx.repeated(1, count: groups), onnx.repeated(0, count: groups)], as: path + ".normal",
      [("epsilon", .float(epsilon))])
    let back = onnx.reshape(normal, [0] + shape.dims, as: path + ".channels")
    let scaled = onnx.emit("Mul", [back, array(scale, dims: shape.perChannel)], as: path + ".scaled")
    return onnx.emit("Add", [scaled, array(shift, dims: shape.perChannel)], as: path)
  }

  private mutating func pool(_ node: Node, _ pooling: Pooling, _ x: String) -> String {
    var attributes: [(String, ONNXAttribute)] = [
      ("kernel_shape", .integers([pooling.size, pooling.size])),
      ("strides", .integers([pooling.stride, pooling.stride])),
      ("pads", .integers([Int](repeating: pooling.padding, count: 4))),
    ]
    switch pooling.kind {
    case .maximum: return onnx.emit("MaxPool", [x], as: node.path, attributes)
    case .mean:
      attributes.append(("count_include_pad", .integer(0)))
      return onnx.emit("AveragePool", [x], as: node.path, attributes)
    }
  }

  /// The first `width` and the last `width` of an axis.
  private mutating func halves(_ x: String, axis: Int, width: Int, as path: String) -> [String] {
    onnx.emit(
      "Split", [x, onnx.integers([width, width])], as: [path + ".first", path + ".second"],
      [("axis", .integer(axis))])
  }

  /// A vector [N, C] with the axes that let it spread over a shape of C channels.
  private mutating func spread(_ vector: String, over shape: Shape, as path: String) -> String {
    switch shape {
    case .image: onnx.reshape(vector, [0, shape.channels, 1, 1], as: path + ".vector")
    case .tokens: onnx.reshape(vector, [0, 1, shape.channels], as: path + ".vector")
    case .scalar, .vector, .scores: vector
    }
  }
}
