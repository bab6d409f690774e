import Diffusion
import Graphs
import Tensors

/// The definition of every operation: naive loops, sums in Double. The oracle of the other executors' tests, slow.
///
/// Nodes of the temporal block are evaluated once per distinct (timestep, label) of the batch.
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
      for position in node.inputs.indices {
        if let role = Self.operandRole(of: node.op, position) {
          visit(
            Site(node: node.path, role: role), dims: graph.nodes[node.inputs[position]].dims, &operands[position], rows)
        }
      }
      results[node.index] = rows.indices.map { row in
        evaluate(node, operands.map { $0[row] }, rows[row])
      }
      if Self.operandRole(of: node.op, 0) == .input {
        visit(Site(node: node.path, role: .output), dims: node.dims, &results[node.index], rows)
      }
      for operand in node.inputs where lastUse[operand] == node.index { results[operand] = [] }
    }
    let output = graph.nodes[graph.output]
    let images = calls.images.map { results[graph.output][calls.position(of: $0, in: output)] }
    return Tensor([images.count] + output.dims, images.flatMap { $0 })
  }

  /// Reports the values at an activation site, then simulates its quantiser.
  private func visit(_ site: Site, dims: [Int], _ values: inout [[Float]], _ rows: [Call]) {
    observer?(site, Tensor([values.count] + dims, values.flatMap { $0 }))
    guard let quantizers = table.activations[site] else { return }
    let layout = ChannelLayout(dims)
    let scales = site.role == .input ? table.weights[site.node]?.inputScales : nil
    func eachChannel(_ values: inout [Float], _ change: (Float, Float) -> Float) {
      guard let scales else { return }
      for i in values.indices { values[i] = change(values[i], scales[i / layout.stride % layout.count]) }
    }
    for (position, row) in rows.enumerated() {
      eachChannel(&values[position], /)
      quantizers.quantizer(stepIndex: row.stepIndex ?? 0, label: row.label)
        .simulate(&values[position], channelStride: layout.stride, channelCount: layout.count)
      eachChannel(&values[position], *)
    }
  }

  /// The site role of an operand, or nil where operands are no sites.
  private static func operandRole(of op: Op, _ position: Int) -> Site.Role? {
    switch op {
    case .conv2d, .linear: .input
    case .attentionScores, .attentionValues: .operand(position)
    case .image, .timestep, .label, .sinusoidalEmbedding, .fourierEmbedding, .embedding, .groupNorm, .activation,
      .softmax,
      .add, .addPerChannel, .scaleShift, .affine, .divideByTimestep, .concatenate, .upsampleNearest, .averagePool,
      .pool,
      .toTokens, .fromTokens, .globalAveragePool:
      nil
    }
  }

  /// One node's result for one image (or one (timestep, label) in the temporal block).
  private func evaluate(_ node: Node, _ operands: [[Float]], _ call: Call) -> [Float] {
    func parameter(_ name: String) -> [Float] { model.parameters[name]!.values }
    func weight(_ name: String) -> [Float] { quantizedWeights[node.path]?.values ?? parameter(name) }
    let dims = node.inputs.map { model.graph.nodes[$0].dims }
    switch node.op {
    case .image: return call.image
    case .timestep: return [Float(call.timestep.value)]
    case .label: return [Float(call.label ?? 0)]
    case .sinusoidalEmbedding, .fourierEmbedding, .embedding:
      return TemporalEmbedding.values(
        of: node, in: model.graph, timestep: call.timestep, label: call.label, parameters: model.parameters)
    case .conv2d(let convolution):
      return Reference.convolution(
        operands[0], dims[0], weight: weight(convolution.weight), bias: convolution.bias.map(parameter), convolution,
        result: node.dims)
    case .linear(let name, let bias):
      return Reference.linear(operands[0], weight: weight(name), bias: bias.map(parameter), out: node.dims.last!)
    case .attentionScores(let heads, let scale):
      return Reference.attentionScores(operands[0], operands[1], dims[0], dims[1], heads: heads, scale: scale)
    case .attentionValues(let heads):
      return Reference.attentionValues(operands[0], operands[1], dims[1], heads: heads)
    case .groupNorm(let scale, let shift, let groups, let epsilon):
      return Reference.groupNorm(
        operands[0], channels: ChannelLayout(dims[0]).count, groups: groups, epsilon: epsilon, scale: parameter(scale),
        shift: parameter(shift))
    case .activation(let activation): return operands[0].map { Reference.activation(activation, $0) }
    case .softmax: return Reference.softmax(operands[0], columns: dims[0].last!)
    case .add: return zip(operands[0], operands[1]).map { $0 + $1 }
    case .addPerChannel:
      let layout = ChannelLayout(dims[0])
      return operands[0].enumerated().map { $1 + operands[1][$0 / layout.stride % layout.count] }
    case .scaleShift:
      let layout = ChannelLayout(dims[0])
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
  let image: [Float]
  let timestep: Timestep
  let label: Int?
  let stepIndex: Int?
  /// Position in the batch, and of the (timestep, label) among the distinct ones.
  let imageIndex: Int
  let temporalIndex: Int
}

/// The images of a batch, and the distinct (timestep, label) among them in order of first appearance.
private struct Calls {
  private(set) var images: [Call] = []
  private var temporal: [Call] = []
  private let isTemporal: [Bool]

  init(_ input: NetworkInput, graph: Graph) {
    isTemporal = graph.isTemporal
    for index in 0..<input.x.dims[0] {
      let timestep = input.timesteps[index]
      let label = input.labels?[index]
      let known = temporal.firstIndex { $0.timestep == timestep && $0.label == label }
      let call = Call(
        image: input.x.rows(index..<(index + 1)).values, timestep: timestep, label: label, stepIndex: input.stepIndex,
        imageIndex: index, temporalIndex: known ?? temporal.count)
      images.append(call)
      if known == nil { temporal.append(call) }
    }
  }

  func rows(of node: Node) -> [Call] { isTemporal[node.index] ? temporal : images }

  func position(of call: Call, in node: Node) -> Int {
    isTemporal[node.index] ? call.temporalIndex : call.imageIndex
  }
}
