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
  package var message: String { "the network cannot be built:\n  " + listed(problems) }
}

/// Declares each parameter and emits its operation in one call. Methods never throw: they record what is wrong and go
/// on, and `finish` reports all of it. Names are relative to the enclosing `scope`s.
package struct GraphBuilder {
  private var nodes: [Node] = []
  private var parameters: [Parameter] = []
  private var regions: [Region] = []
  private var problems: [String] = []
  private var scopes: [String] = []
  private var definition: [Int] = []
  private var definesByKind = false
  private var paths: Set<String> = []

  /// Values of one parameter or of one node's result for one image: more than any graph of ours needs, and a guard of
  /// later arithmetic and allocations against hostile configurations.
  package static let largestCount = 1 << 31

  package init() {}

  // MARK: Structure

  package func path(_ name: String) -> String { (scopes + [name]).joined(separator: ".") }

  /// - Parameters:
  ///   - place: where the module stands among its neighbours in the code that defines the network (`Region.definition`).
  ///   - byKind: whether that code lists the module's residual blocks before its attentions, and these before the rest.
  package mutating func scope<R>(
    _ name: String, definedAt place: [Int] = [], byKind: Bool = false, _ body: (inout GraphBuilder) -> R
  ) -> R {
    scopes.append(name)
    let outside = (definition, definesByKind)
    definition += place
    definesByKind = definesByKind || byKind
    defer {
      scopes.removeLast()
      (definition, definesByKind) = outside
    }
    return body(&self)
  }

  /// Nodes that form a region, in a scope of its name unless `inScope` is false. Regions do not nest.
  /// - Parameter place: as for `scope`; regions of one place stand in the order of execution.
  package mutating func region<R>(
    _ name: String, _ kind: Region.Kind, definedAt place: [Int] = [], inScope: Bool = true,
    _ body: (inout GraphBuilder) -> R
  ) -> R {
    let start = nodes.count
    let full = path(name)
    let definition = definition + place + (definesByKind ? [kind.definitionRank] : []) + [regions.count]
    let result = inScope ? scope(name, body) : body(&self)
    regions.append(Region(name: full, kind: kind, nodes: start..<nodes.count, definition: definition))
    return result
  }

  package mutating func problem(_ text: String) { problems.append(text) }

  package func shape(of value: Value) -> Shape { nodes[value.index].shape }
  package func dims(of value: Value) -> [Int] { shape(of: value).dims }
  /// Channels of an image or vector, or the width of tokens.
  package func channels(of value: Value) -> Int { shape(of: value).channels }

  private mutating func emit(_ name: String, _ op: Op, _ inputs: [Value], _ shape: Shape) -> Value {
    let full = uniquePath(name)
    if Self.product(of: shape.dims) == nil {
      problem("\(full): a result of shape \(shape) exceeds the limit of \(Self.largestCount) values")
    }
    nodes.append(Node(index: nodes.count, path: full, op: op, inputs: inputs.map(\.index), shape: shape))
    return Value(index: nodes.count - 1)
  }

  /// The name's path; unnamed helpers (activations, adds) repeat within a scope and are numbered.
  private mutating func uniquePath(_ name: String) -> String {
    let full = path(name)
    if paths.insert(full).inserted { return full }
    var n = 2
    while !paths.insert("\(full)_\(n)").inserted { n += 1 }
    return "\(full)_\(n)"
  }

  /// The image that an operation needs; records what is there instead.
  private mutating func image(_ name: String, _ x: Value, _ what: String) -> ImageShape {
    if let image = shape(of: x).image { return image }
    problem("\(path(name)): \(what) needs an image, found shape \(shape(of: x))")
    return ImageShape(channels: channels(of: x), height: 1, width: 1)
  }

  /// The tokens that an operation needs; records what is there instead.
  private mutating func tokens(_ name: String, _ x: Value, _ what: String) -> (count: Int, width: Int) {
    if case .tokens(let count, let width) = shape(of: x) { return (count, width) }
    problem("\(path(name)): \(what) needs tokens, found shape \(shape(of: x))")
    return (1, channels(of: x))
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

  // MARK: Inputs and functions of one number

  package mutating func sample(_ shape: ImageShape) -> Value {
    input(GraphInput(name: "image", meaning: .sample, shape: .image(shape)))
  }
  package mutating func timestep() -> Value {
    input(GraphInput(name: "timestep", meaning: .timestep, shape: .scalar))
  }
  package mutating func label(classes: Int) -> Value {
    input(GraphInput(name: "label", meaning: .label(classes: classes), shape: .scalar))
  }
  /// - Parameters: tokens: the most that a context has; width: of each.
  package mutating func context(tokens: Int, width: Int) -> Value {
    input(GraphInput(name: "context", meaning: .context, shape: .tokens(count: tokens, width: width)))
  }
  package mutating func vector(_ name: String, count: Int) -> Value {
    input(GraphInput(name: name, meaning: .vector, shape: .vector(count)))
  }

  /// Each input is one node, however often it is asked for.
  private mutating func input(_ input: GraphInput) -> Value {
    if let known = nodes.first(where: { $0.op == .input(input) }) { return Value(index: known.index) }
    return emit(input.name, .input(input), [], input.shape)
  }

  package mutating func sinusoidalEmbedding(_ name: String, _ t: Value, _ embedding: SinusoidalEmbedding) -> Value {
    emit(name, .sinusoidalEmbedding(embedding), [t], .vector(embedding.width))
  }

  package mutating func fourierEmbedding(_ name: String, _ t: Value, count: Int, flipSinToCos: Bool) -> Value {
    let weight = parameter("\(name).weight", [count])
    return emit(name, .fourierEmbedding(weight: weight, flipSinToCos: flipSinToCos), [t], .vector(2 * count))
  }

  /// Row `number` (a label, or a timestep of a learned time embedding) of a table.
  package mutating func embedding(_ name: String, _ number: Value, rows: Int, width: Int) -> Value {
    emit(name, .embedding(table: parameter("\(name).weight", [rows, width])), [number], .vector(width))
  }

  // MARK: Contractions

  package mutating func conv2d(
    _ name: String, _ x: Value, out: Int, kernel: Int = 3, stride: Int = 1, padding: Convolution.Padding? = nil,
    bias: Bool = true
  ) -> Value {
    conv2d(
      name, x, out: out, kernel: (kernel, kernel), stride: stride,
      padding: padding ?? .init(leading: kernel / 2, trailing: kernel / 2), bias: bias)
  }

  package mutating func conv2d(
    _ name: String, _ x: Value, out: Int, kernel: (height: Int, width: Int), stride: Int = 1,
    padding: Convolution.Padding, bias: Bool = true
  ) -> Value {
    let input = image(name, x, "a convolution")
    let weightDims = [out, input.channels, kernel.height, kernel.width]
    let convolution = Convolution(
      weight: parameter("\(name).weight", weightDims), bias: bias ? parameter("\(name).bias", [out]) : nil,
      stride: stride, padding: padding, dims: weightDims)
    let height = (input.height + padding.top + padding.bottom - kernel.height) / stride + 1
    let width = (input.width + padding.left + padding.right - kernel.width) / stride + 1
    if min(height, width) < 1 {
      problem("\(path(name)): nothing is left of an image of \(input.height)x\(input.width)")
    }
    let result = ImageShape(channels: out, height: max(height, 1), width: max(width, 1))
    return emit(name, .conv2d(convolution), [x], .image(result))
  }

  package mutating func linear(_ name: String, _ x: Value, out: Int, bias: Bool = true) -> Value {
    let weight = parameter("\(name).weight", [out, channels(of: x)])
    let bias = bias ? parameter("\(name).bias", [out]) : nil
    let shape: Shape
    switch self.shape(of: x) {
    case .tokens(let count, _): shape = .tokens(count: count, width: out)
    case .vector: shape = .vector(out)
    case .scalar, .image, .scores:
      problem("\(path(name)): a linear layer needs a vector or tokens, found shape \(self.shape(of: x))")
      shape = .vector(out)
    }
    return emit(name, .linear(weight: weight, bias: bias), [x], shape)
  }

  /// Attention of queries to keys and values, which may be more or fewer than the queries. The products are named `scores`
  /// and `values` in sites.
  package mutating func attention(
    _ name: String = "attention", queries q: Value, keys k: Value, values v: Value, heads: Int, scale: Float
  ) -> Value {
    var (count, width) = (1, channels(of: v))
    if case .tokens(let queries, let queryWidth) = shape(of: q), case .tokens(let keys, let keyWidth) = shape(of: k),
      case .tokens(let values, let valueWidth) = shape(of: v)
    {
      (count, width) = (queries, valueWidth)
      if queryWidth != keyWidth { problem("\(path(name)): queries of \(queryWidth) channels, keys of \(keyWidth)") }
      if keys != values { problem("\(path(name)): \(keys) keys for \(values) values") }
      if heads < 1 || queryWidth % max(heads, 1) != 0 || valueWidth % max(heads, 1) != 0 {
        problem(
          "\(path(name)): \(heads) heads do not divide \(queryWidth) channels of queries, \(valueWidth) of values")
      }
    } else {
      problem("\(path(name)): attention needs tokens, found shapes \(shape(of: q)), \(shape(of: k)), \(shape(of: v))")
    }
    let attention = Attention(
      heads: max(heads, 1), scale: scale, scores: uniquePath("scores"), values: uniquePath("values"))
    return emit(name, .attention(attention), [q, k, v], .tokens(count: count, width: width))
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
    return emit(name, op, [x], shape(of: x))
  }

  package mutating func layerNorm(_ name: String, _ x: Value, epsilon: Float) -> Value {
    let channels = tokens(name, x, "layer normalisation").width
    let op = Op.layerNorm(
      scale: parameter("\(name).weight", [channels]), shift: parameter("\(name).bias", [channels]), epsilon: epsilon)
    return emit(name, op, [x], shape(of: x))
  }

  package mutating func geglu(_ name: String = "geglu", _ x: Value) -> Value {
    let (count, width) = tokens(name, x, "GEGLU")
    if width % 2 != 0 { problem("\(path(name)): \(width) channels are no values and as many gates") }
    return emit(name, .geglu, [x], .tokens(count: count, width: width / 2))
  }

  package mutating func activation(_ name: String = "act", _ x: Value, _ kind: Activation) -> Value {
    emit(name, .activation(kind), [x], shape(of: x))
  }
  package mutating func add(_ name: String = "add", _ a: Value, _ b: Value) -> Value {
    if shape(of: a) != shape(of: b) { problem("\(path(name)): shapes \(shape(of: a)) and \(shape(of: b)) differ") }
    return emit(name, .add, [a, b], shape(of: a))
  }
  package mutating func addPerChannel(_ name: String = "add_per_channel", _ x: Value, _ v: Value) -> Value {
    requireVector(name, v, count: channels(of: x), for: x)
    return emit(name, .addPerChannel, [x, v], shape(of: x))
  }
  package mutating func scaleShift(_ name: String = "scale_shift", _ x: Value, _ v: Value) -> Value {
    requireVector(name, v, count: 2 * channels(of: x), for: x)
    return emit(name, .scaleShift, [x, v], shape(of: x))
  }
  package mutating func affine(_ name: String = "affine", _ x: Value, scale: Float, offset: Float = 0) -> Value {
    emit(name, .affine(scale: scale, offset: offset), [x], shape(of: x))
  }
  package mutating func divideByTimestep(_ name: String = "divide", _ x: Value, _ t: Value) -> Value {
    emit(name, .divideByTimestep, [x, t], shape(of: x))
  }
  package mutating func concatenate(_ name: String = "concatenate", _ a: Value, _ b: Value) -> Value {
    let (x, y) = (shape(of: a), shape(of: b))
    guard let first = x.image, let second = y.image, first.height == second.height, first.width == second.width else {
      problem("\(path(name)): \(x) and \(y) cannot be concatenated")
      return emit(name, .concatenate, [a, b], x)
    }
    let channels = first.channels + second.channels
    return emit(
      name, .concatenate, [a, b], .image(ImageShape(channels: channels, height: first.height, width: first.width)))
  }
  package mutating func upsampleNearest(_ name: String = "upsample", _ x: Value) -> Value {
    let d = image(name, x, "upsampling")
    return emit(
      name, .upsampleNearest, [x],
      .image(ImageShape(channels: d.channels, height: 2 * d.height, width: 2 * d.width)))
  }
  package mutating func averagePool(_ name: String = "pool", _ x: Value) -> Value {
    let d = image(name, x, "pooling")
    return emit(
      name, .averagePool, [x], .image(ImageShape(channels: d.channels, height: d.height / 2, width: d.width / 2)))
  }
  package mutating func pool(_ name: String = "pool", _ x: Value, _ pooling: Pooling) -> Value {
    let d = image(name, x, "pooling")
    func places(_ size: Int) -> Int { (size + 2 * pooling.padding - pooling.size) / pooling.stride + 1 }
    let (height, width) = (places(d.height), places(d.width))
    if min(height, width) < 1 || !(0..<pooling.size).contains(pooling.padding) {
      problem("\(path(name)): a window of \(pooling.size), padding \(pooling.padding), does not fit shape \(d.dims)")
    }
    return emit(
      name, .pool(pooling), [x], .image(ImageShape(channels: d.channels, height: max(height, 1), width: max(width, 1))))
  }
  package mutating func globalAveragePool(_ name: String = "pool", _ x: Value) -> Value {
    emit(name, .globalAveragePool, [x], .vector(image(name, x, "the mean over positions").channels))
  }
  package mutating func toTokens(_ name: String = "tokens", _ x: Value) -> Value {
    let d = image(name, x, "a sequence of pixels")
    return emit(name, .toTokens, [x], .tokens(count: d.height * d.width, width: d.channels))
  }
  package mutating func fromTokens(_ name: String = "image", _ x: Value, height: Int, width: Int) -> Value {
    if shape(of: x).positions != height * width {
      problem("\(path(name)): \(shape(of: x)) is no image of \(height)x\(width)")
    }
    return emit(
      name, .fromTokens(height: height, width: width), [x],
      .image(ImageShape(channels: channels(of: x), height: height, width: width)))
  }

  private mutating func requireVector(_ name: String, _ v: Value, count: Int, for x: Value) {
    if shape(of: v) != .vector(count) { problem("\(path(name)): \(shape(of: x)) and \(shape(of: v)) do not fit") }
  }

  /// The finished graph, or everything that was wrong. Mutating, so that `g.finish(output: g.add(…))` sees the last node.
  package mutating func finish(output: Value) throws(GraphError) -> Graph {
    var problems = problems
    var seen = Set<String>()
    for parameter in parameters where !seen.insert(parameter.name).inserted {
      problems.append("\(parameter.name): declared twice")
    }
    if !nodes.contains(where: { $0.op.meaning == .sample }) { problems.append("the network reads no sample") }
    if !problems.isEmpty { throw GraphError(problems: problems) }
    return Graph(
      nodes: nodes, parameters: parameters, regions: regions.sorted { $0.nodes.lowerBound < $1.nodes.lowerBound },
      output: output.index)
  }
}
