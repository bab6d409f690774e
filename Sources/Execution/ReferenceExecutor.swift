import Diffusion
import Graphs
import Tensors

/// The definition of every operation: naive loops, sums in Double. The oracle of the other executors' tests, slow.
///
/// Nodes that the sample does not reach are evaluated once per distinct timestep, or conditioning, of the batch.
package struct ReferenceExecutor: Executor {
  private let model: Model
  private let table: QuantizationTable
  private let observer: SiteObserver?
  /// By node path: the integer weights as the Float values they stand for.
  private let quantizedWeights: [String: Tensor]

  /// - Parameters:
  ///   - simulating: quantised weights are dequantised, values at quantised sites pass through their quantiser.
  ///   - observer: receives the value at every activation site before the site's own quantiser, after those upstream.
  /// - Throws: where the table does not fit the network.
  package init(
    _ model: Model, simulating table: QuantizationTable = QuantizationTable(), observer: SiteObserver? = nil
  ) throws(ExecutionError) {
    try table.check(for: model.graph)
    self.model = model
    self.table = table
    self.observer = observer
    quantizedWeights = table.weights.mapValues(\.dequantized)
  }

  package func run(_ input: NetworkInput) throws(ExecutionError) -> Tensor {
    try model.graph.check(input)
    try table.check(stepIndex: input.stepIndex)
    let calls = Calls(input, graph: model.graph)
    let graph = model.graph
    let lastUse = graph.lastUse
    var results = [[[Float]]](repeating: [], count: graph.nodes.count)
    for node in graph.nodes {
      let rows = calls.rows(of: node)
      if let feature = table.features[node.path] {
        results[node.index] = rows.map { feature.values(stepIndex: $0.stepIndex ?? 0, label: $0.label) }
        continue
      }
      var operands = node.inputs.map { operand in
        rows.map { results[operand][calls.position(of: $0, in: graph.nodes[operand])] }
      }
      for (site, tensor) in node.sites {
        if case .operand(let position) = tensor {
          visit(site, graph.nodes[node.inputs[position]].shape, &operands[position], rows)
        }
      }
      if case .attention(let attention) = node.op {
        results[node.index] = attend(node, attention, operands, rows)
      } else {
        results[node.index] = rows.indices.map { row in
          evaluate(node, operands.map { $0[row] }, rows[row])
        }
      }
      if node.op.facts.isLayer {
        visit(Site(node: node.path, role: .output), node.shape, &results[node.index], rows)
      }
      for operand in node.inputs where lastUse[operand] == node.index { results[operand] = [] }
    }
    let output = graph.nodes[graph.output]
    let images = calls.images.map { results[graph.output][calls.position(of: $0, in: output)] }
    return Tensor([images.count] + output.dims, images.flatMap { $0 })
  }

  /// Reports the values at an activation site, then simulates its quantiser.
  private func visit(_ site: Site, _ shape: Shape, _ values: inout [[Float]], _ rows: [Call]) {
    if let observer, observer.watches(site) {
      observer.receive(site, Tensor([values.count] + shape.dims, values.flatMap { $0 }))
    }
    guard let quantizers = table.activations[site] else { return }
    let layout = ChannelLayout(shape)
    let scales = site.role == .input ? table.weights[site.node]?.inputScales : nil
    func eachChannel(_ values: inout [Float], _ change: (Float, Float) -> Float) {
      guard let scales else { return }
      for i in values.indices { values[i] = change(values[i], scales[i / layout.stride % layout.count]) }
    }
    for (position, row) in rows.enumerated() {
      eachChannel(&values[position], /)
      quantizers.quantizer(at: row.key)
        .simulate(&values[position], channelStride: layout.stride, channelCount: layout.count)
      eachChannel(&values[position], *)
    }
  }

  /// Attention by its definition, head by head and in the blocks of queries that all executors report.
  private func attend(
    _ node: Node, _ attention: Attention, _ operands: [[[Float]]], _ rows: [Call]
  ) -> [[Float]] {
    let shapes = node.inputs.map { model.graph.nodes[$0].shape }
    let (queries, keys) = (shapes[0].positions, shapes[1].positions)
    let numerators = table.activations[attention.probabilities]?.areNumerators ?? false
    var results = rows.map { _ in [Float](repeating: 0, count: node.count) }
    for head in 0..<attention.heads {
      for block in Attention.blocks(queries: queries, keys: keys) {
        var probabilities = rows.indices.map { row in
          Reference.probabilities(
            operands[0][row], operands[1][row], attention, shapes[0], keys: keys, head: head, block: block,
            numerators: numerators)
        }
        visit(
          attention.probabilities, .scores(heads: 1, queries: block.count, keys: keys), &probabilities, rows)
        for row in rows.indices {
          if numerators { Reference.normalize(&probabilities[row], columns: keys) }
          Reference.mix(
            probabilities[row], operands[2][row], attention, shapes[2], head: head, block: block, into: &results[row])
        }
      }
    }
    return results
  }

  /// One node's result for one image (or one (timestep, label) in the temporal block).
  private func evaluate(_ node: Node, _ operands: [[Float]], _ call: Call) -> [Float] {
    func parameter(_ name: String) -> [Float] { model.parameters[name]!.values }
    func weight(_ name: String) -> [Float] { quantizedWeights[node.path]?.values ?? parameter(name) }
    let shapes = node.inputs.map { model.graph.nodes[$0].shape }
    let dims = shapes.map(\.dims)
    switch node.op {
    case .input(let input): return call.value(of: input)
    case .sinusoidalEmbedding, .fourierEmbedding, .embedding:
      return TemporalEmbedding.values(
        of: node, number: call.key.number(of: model.graph.nodes[node.inputs[0]].op.meaning),
        parameters: model.parameters)
    case .conv2d(let convolution):
      return Reference.convolution(
        operands[0], dims[0], weight: weight(convolution.weight), bias: convolution.bias.map(parameter), convolution,
        result: node.dims)
    case .linear(let name, let bias):
      return Reference.linear(operands[0], weight: weight(name), bias: bias.map(parameter), out: node.dims.last!)
    case .attention: preconditionFailure("\(node.path) is evaluated for all images together")
    case .groupNorm(let scale, let shift, let groups, let epsilon):
      return Reference.groupNorm(
        operands[0], channels: ChannelLayout(shapes[0]).count, groups: groups, epsilon: epsilon,
        scale: parameter(scale),
        shift: parameter(shift))
    case .layerNorm(let scale, let shift, let epsilon):
      return Reference.layerNorm(operands[0], epsilon: epsilon, scale: parameter(scale), shift: parameter(shift))
    case .geglu: return Reference.geglu(operands[0], channels: node.shape.channels)
    case .activation(let activation): return operands[0].map { Reference.activation(activation, $0) }
    case .add: return zip(operands[0], operands[1]).map { $0 + $1 }
    case .addPerChannel:
      let layout = ChannelLayout(shapes[0])
      return operands[0].enumerated().map { $1 + operands[1][$0 / layout.stride % layout.count] }
    case .scaleShift:
      let layout = ChannelLayout(shapes[0])
      return operands[0].enumerated().map { position, x in
        let channel = position / layout.stride % layout.count
        return x * (1 + operands[1][channel]) + operands[1][layout.count + channel]
      }
    case .affine(let scale, let offset): return operands[0].map { scale * $0 + offset }
    case .divideByTimestep: return operands[0].map { $0 / operands[1][0] }
    case .concatenate: return operands[0] + operands[1]
    case .upsampleNearest: return Reference.upsampleNearest(operands[0], dims[0])
    case .averagePool: return Reference.averagePool(operands[0], dims[0])
    case .pool(let pooling): return Reference.pool(operands[0], dims[0], pooling, result: node.dims)
    case .globalAveragePool: return Reference.globalAveragePool(operands[0], dims[0])
    case .toTokens: return Reference.transposed(operands[0], rows: dims[0][0], columns: dims[0][1] * dims[0][2])
    case .fromTokens: return Reference.transposed(operands[0], rows: dims[0][0], columns: dims[0][1])
    }
  }
}

/// What one evaluation of a node depends on from outside.
private struct Call {
  let sample: [Float]
  let key: CallKey
  let context: Context?
  /// Position in the batch, and of what the node's phase depends on among the distinct ones.
  let imageIndex: Int
  let keyIndex: Int
  let contextIndex: Int

  var stepIndex: Int? { key.stepIndex }
  var label: Int? { key.label }

  func value(of input: GraphInput) -> [Float] {
    switch input.meaning {
    case .sample: sample
    case .timestep, .label: [Float(key.number(of: input.meaning))]
    case .context: context?.tokens.values ?? []
    case .vector: key.conditioning.vectors[input.name] ?? []
    }
  }
}

/// The images of a batch, and the distinct keys and contexts among them in order of first appearance.
private struct Calls {
  private(set) var images: [Call] = []
  private var keys: [Call] = []
  private var contexts: [Call] = []
  private let phases: [Phase]

  init(_ input: NetworkInput, graph: Graph) {
    phases = graph.nodes.indices.map { graph.phase(of: $0) }
    for index in 0..<input.x.dims[0] {
      let conditioning = input.conditioning(of: index)
      let key = CallKey(
        timestep: input.timestep(of: index), conditioning: conditioning.withoutContext, stepIndex: input.stepIndex)
      let knownKey = keys.firstIndex { $0.key == key }
      let knownContext = contexts.firstIndex { $0.context == conditioning.context }
      let call = Call(
        sample: input.x.rows(index..<(index + 1)).values, key: key, context: conditioning.context, imageIndex: index,
        keyIndex: knownKey ?? keys.count, contextIndex: knownContext ?? contexts.count)
      images.append(call)
      if knownKey == nil { keys.append(call) }
      if knownContext == nil { contexts.append(call) }
    }
  }

  func rows(of node: Node) -> [Call] {
    switch phases[node.index] {
    case .step: keys
    case .context: contexts
    case .sample: images
    }
  }

  func position(of call: Call, in node: Node) -> Int {
    switch phases[node.index] {
    case .step: call.keyIndex
    case .context: call.contextIndex
    case .sample: call.imageIndex
    }
  }
}
