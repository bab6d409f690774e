import Tensors

/// A node under construction.
package struct Value: Sendable, Hashable {
  let index: Int
}

/// Everything wrong with a network's description, reported together.
package struct GraphError: HalftoneError, Equatable {
  package let problems: [String]
  package init(problems: [String]) { self.problems = problems }
  package var id: String { "E-GRAPH" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String { "the network cannot be built:\n  " + problems.joined(separator: "\n  ") }
}

/// Declares each parameter and emits its operation in one call. Methods never throw: they record what is wrong and go
/// on, and `finish` reports all of it. Names are relative to the enclosing `scope`s.
package struct GraphBuilder {
  private var nodes: [Node] = []
  private var parameters: [Parameter] = []
  private var regions: [Region] = []
  private var problems: [String] = []
  private var scopes: [String] = []
  private var paths: Set<String> = []
  private let imageShape: ImageShape
  private let classCount: Int?

  /// Values of one parameter or of one node's result for one image: more than any graph of ours needs, and a guard of
  /// later arithmetic and allocations against hostile configurations.
  package static let largestCount = 1 << 31

  package init(imageShape: ImageShape, classCount: Int? = nil) {
    self.imageShape = imageShape
    self.classCount = classCount
  }

  // MARK: Structure

  package func path(_ name: String) -> String { (scopes + [name]).joined(separator: ".") }

  package mutating func scope<R>(_ name: String, _ body: (inout GraphBuilder) -> R) -> R {
    scopes.append(name)
    defer { scopes.removeLast() }
    return body(&self)
  }

  /// Nodes that form a region, in a scope of its name unless `inScope` is false. Regions do not nest.
  package mutating func region<R>(
    _ name: String, _ kind: Region.Kind, inScope: Bool = true, _ body: (inout GraphBuilder) -> R
  ) -> R {
    let start = nodes.count
    let full = path(name)
    let result = inScope ? scope(name, body) : body(&self)
    regions.append(Region(name: full, kind: kind, nodes: start..<nodes.count))
    return result
  }

  package mutating func problem(_ text: String) { problems.append(text) }

  package func dims(of value: Value) -> [Int] { nodes[value.index].dims }
  /// Channels of an image [C, H, W] or vector [C], or the width of tokens [T, C].
  package func channels(of value: Value) -> Int {
    let dims = dims(of: value)
    return dims.count == 2 ? dims[1] : dims.first ?? 0
  }

  private mutating func emit(_ name: String, _ op: Op, _ inputs: [Value], dims: [Int]) -> Value {
    var full = path(name)
    if Self.product(of: dims) == nil {
      problem("\(full): a result of shape \(dims) exceeds the limit of \(Self.largestCount) values")
    }
    // Unnamed helpers (activations, adds) repeat within a scope; number them so that every path is unique.
    if !paths.insert(full).inserted {
      var n = 2
      while !paths.insert("\(full)_\(n)").inserted { n += 1 }
      full = "\(full)_\(n)"
    }
    nodes.append(Node(index: nodes.count, path: full, op: op, inputs: inputs.map(\.index), dims: dims))
    return Value(index: nodes.count - 1)
  }

  /// The number of values, or nil beyond `largestCount`.
  private static func product(of dims: [Int]) -> Int? {
    var count = 1
    for dim in dims {
      let (product, overflow) = count.multipliedReportingOverflow(by: max(dim, 0))
      if overflow || product > largestCount { return nil }
      count = product
    }
    return count
  }

  private mutating func parameter(_ name: String, _ dims: [Int]) -> String {
    let full = path(name)
    if Self.product(of: dims) == nil {
      problem("\(full): a parameter of shape \(dims) exceeds the limit of \(Self.largestCount) values")
    }
    parameters.append(Parameter(name: full, dims: dims))
    return full
  }

  // MARK: Inputs and temporal operations

  package mutating func image() -> Value { input("image", .image, dims: imageShape.dims) }
  package mutating func timestep() -> Value { input("timestep", .timestep, dims: []) }
  package mutating func label() -> Value { input("label", .label, dims: []) }

  /// Each input is one node, however often it is asked for.
  private mutating func input(_ name: String, _ op: Op, dims: [Int]) -> Value {
    if let known = nodes.first(where: { $0.op == op }) { return Value(index: known.index) }
    return emit(name, op, [], dims: dims)
  }

  package mutating func sinusoidalEmbedding(_ name: String, _ t: Value, _ embedding: SinusoidalEmbedding) -> Value {
    emit(name, .sinusoidalEmbedding(embedding), [t], dims: [embedding.width])
  }

  package mutating func fourierEmbedding(_ name: String, _ t: Value, count: Int, flipSinToCos: Bool) -> Value {
    let weight = parameter("\(name).weight", [count])
    return emit(name, .fourierEmbedding(weight: weight, flipSinToCos: flipSinToCos), [t], dims: [2 * count])
  }

  /// Row `number` (a label, or a timestep of a learned time embedding) of a table.
  package mutating func embedding(_ name: String, _ number: Value, rows: Int, width: Int) -> Value {
    emit(name, .embedding(table: parameter("\(name).weight", [rows, width])), [number], dims: [width])
  }

  // MARK: Contractions

  package mutating func conv2d(
    _ name: String, _ x: Value, out: Int, kernel: Int = 3, stride: Int = 1, padding: Convolution.Padding? = nil
  ) -> Value {
    conv2d(
      name, x, out: out, kernel: (kernel, kernel), stride: stride,
      padding: padding ?? .init(leading: kernel / 2, trailing: kernel / 2))
  }

  package mutating func conv2d(
    _ name: String, _ x: Value, out: Int, kernel: (height: Int, width: Int), stride: Int = 1,
    padding: Convolution.Padding
  ) -> Value {
    let input = dims(of: x)
    let weightDims = [out, input.first ?? 0, kernel.height, kernel.width]
    let convolution = Convolution(
      weight: parameter("\(name).weight", weightDims), bias: parameter("\(name).bias", [out]), stride: stride,
      padding: padding, dims: weightDims)
    guard input.count == 3 else {
      problem("\(path(name)): a convolution needs an image, found shape \(input)")
      return emit(name, .conv2d(convolution), [x], dims: [out, 1, 1])
    }
    let size = [
      (input[1] + padding.top + padding.bottom - kernel.height) / stride + 1,
      (input[2] + padding.left + padding.right - kernel.width) / stride + 1,
    ]
    if size.contains(where: { $0 < 1 }) {
      problem("\(path(name)): nothing is left of an image of \(input[1])x\(input[2])")
    }
    return emit(name, .conv2d(convolution), [x], dims: [out] + size.map { max($0, 1) })
  }

  package mutating func linear(_ name: String, _ x: Value, out: Int, bias: Bool = true) -> Value {
    let weight = parameter("\(name).weight", [out, channels(of: x)])
    let bias = bias ? parameter("\(name).bias", [out]) : nil
    return emit(name, .linear(weight: weight, bias: bias), [x], dims: dims(of: x).dropLast() + [out])
  }

  package mutating func attentionScores(_ name: String, _ q: Value, _ k: Value, heads: Int, scale: Float) -> Value {
    requireSame(name, q, k)
    return emit(
      name, .attentionScores(heads: heads, scale: scale), [q, k], dims: [heads, dims(of: q)[0], dims(of: k)[0]])
  }

  package mutating func attentionValues(_ name: String, _ p: Value, _ v: Value, heads: Int) -> Value {
    emit(name, .attentionValues(heads: heads), [p, v], dims: dims(of: v))
  }

  // MARK: Float operations

  package mutating func groupNorm(_ name: String, _ x: Value, groups: Int, epsilon: Float) -> Value {
    let channels = channels(of: x)
    if groups < 1 || channels % max(groups, 1) != 0 {
      problem("\(path(name)): \(channels) channels do not divide into \(groups) groups")
    }
    let op = Op.groupNorm(
      scale: parameter("\(name).weight", [channels]), shift: parameter("\(name).bias", [channels]),
      groups: max(groups, 1), epsilon: epsilon)
    return emit(name, op, [x], dims: dims(of: x))
  }

  package mutating func activation(_ name: String = "act", _ x: Value, _ kind: Activation) -> Value {
    emit(name, .activation(kind), [x], dims: dims(of: x))
  }
  package mutating func softmax(_ name: String = "softmax", _ x: Value) -> Value {
    emit(name, .softmax, [x], dims: dims(of: x))
  }
  package mutating func add(_ name: String = "add", _ a: Value, _ b: Value) -> Value {
    requireSame(name, a, b)
    return emit(name, .add, [a, b], dims: dims(of: a))
  }
  package mutating func addPerChannel(_ name: String = "add_per_channel", _ x: Value, _ v: Value) -> Value {
    if dims(of: v) != [channels(of: x)] { problem("\(path(name)): \(dims(of: x)) and \(dims(of: v)) do not fit") }
    return emit(name, .addPerChannel, [x, v], dims: dims(of: x))
  }
  package mutating func scaleShift(_ name: String = "scale_shift", _ x: Value, _ v: Value) -> Value {
    if dims(of: v) != [2 * channels(of: x)] { problem("\(path(name)): \(dims(of: x)) and \(dims(of: v)) do not fit") }
    return emit(name, .scaleShift, [x, v], dims: dims(of: x))
  }
  package mutating func affine(_ name: String = "affine", _ x: Value, scale: Float, offset: Float = 0) -> Value {
    emit(name, .affine(scale: scale, offset: offset), [x], dims: dims(of: x))
  }
  package mutating func divideByTimestep(_ name: String = "divide", _ x: Value, _ t: Value) -> Value {
    emit(name, .divideByTimestep, [x, t], dims: dims(of: x))
  }
  package mutating func concatenate(_ name: String = "concatenate", _ a: Value, _ b: Value) -> Value {
    let (x, y) = (dims(of: a), dims(of: b))
    if x.count != 3 || x.dropFirst() != y.dropFirst() { problem("\(path(name)): \(x) and \(y) cannot be concatenated") }
    return emit(name, .concatenate, [a, b], dims: [x[0] + y[0]] + x.dropFirst())
  }
  package mutating func upsampleNearest(_ name: String = "upsample", _ x: Value) -> Value {
    let d = dims(of: x)
    return emit(name, .upsampleNearest, [x], dims: [d[0], 2 * d[1], 2 * d[2]])
  }
  package mutating func averagePool(_ name: String = "pool", _ x: Value) -> Value {
    let d = dims(of: x)
    return emit(name, .averagePool, [x], dims: [d[0], d[1] / 2, d[2] / 2])
  }
  package mutating func pool(_ name: String = "pool", _ x: Value, _ pooling: Pooling) -> Value {
    let d = dims(of: x)
    let size = d.dropFirst().map { ($0 + 2 * pooling.padding - pooling.size) / pooling.stride + 1 }
    if d.count != 3 || size.contains(where: { $0 < 1 }) || !(0..<pooling.size).contains(pooling.padding) {
      problem("\(path(name)): a window of \(pooling.size), padding \(pooling.padding), does not fit shape \(d)")
    }
    return emit(name, .pool(pooling), [x], dims: [d.first ?? 1] + size.map { max($0, 1) })
  }
  package mutating func globalAveragePool(_ name: String = "pool", _ x: Value) -> Value {
    emit(name, .globalAveragePool, [x], dims: [dims(of: x)[0]])
  }
  package mutating func toTokens(_ name: String = "tokens", _ x: Value) -> Value {
    let d = dims(of: x)
    return emit(name, .toTokens, [x], dims: [d[1] * d[2], d[0]])
  }
  package mutating func fromTokens(_ name: String = "image", _ x: Value, height: Int, width: Int) -> Value {
    emit(name, .fromTokens(height: height, width: width), [x], dims: [dims(of: x)[1], height, width])
  }

  private mutating func requireSame(_ name: String, _ a: Value, _ b: Value) {
    if dims(of: a) != dims(of: b) { problem("\(path(name)): shapes \(dims(of: a)) and \(dims(of: b)) differ") }
  }

  /// The finished graph, or everything that was wrong. Mutating, so that `g.finish(output: g.add(…))` sees the last node.
  package mutating func finish(output: Value) throws(GraphError) -> Graph {
    var problems = problems
    var seen = Set<String>()
    for parameter in parameters where !seen.insert(parameter.name).inserted {
      problems.append("\(parameter.name): declared twice")
    }
    if !problems.isEmpty { throw GraphError(problems: problems) }
    return Graph(
      nodes: nodes, parameters: parameters, regions: regions.sorted { $0.nodes.lowerBound < $1.nodes.lowerBound },
      output: output.index, imageShape: imageShape, classCount: classCount)
  }
}
