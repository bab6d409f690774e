import Graphs
import Tensors

extension Model {
  /// The graph with the weights of a checkpoint, strictly: every parameter present in the right shape, as F64, F32, F16 or
  /// BF16, every value finite, and nothing left over. Arrays are read one after the other.
  /// - Parameter defers: whether the weights of layers are looked at and then left in the source until an executor packs them.
  /// - Throws: `WeightsError` with every missing, unexpected, mismatched and non-finite tensor; what keeps the source from
  ///   being read.
  package static func load(
    graph: Graph, from source: any WeightSource, layout: any WeightLayout = DiffusersLayout(), defers: Bool = false
  ) throws -> Model {
    let layers = defers ? Set(graph.layerWeights.map(\.parameter)) : []
    var deferred: [String: DeferredWeight] = [:]
    var missing: [WeightsError.Problem] = []
    var unfit: [WeightsError.Problem] = []
    var used: Set<String> = []
    var parameters: [String: Tensor] = [:]
    let reader = WeightReader(source)
    for parameter in graph.parameters {
      let choices = layout.expressions(for: parameter)
      let complete = choices.first { choice in
        choice.demands(for: parameter.dims).allSatisfy { source.entry($0.name) != nil }
      }
      guard let expression = complete ?? choices.first else {
        preconditionFailure("\(layout.name) has no way to make \(parameter.name)")
      }
      var isSound = true
      let demands = expression.demands(for: parameter.dims)
      for demand in demands {
        let isNew = used.insert(demand.name).inserted
        guard let problem = problem(demand, source.entry(demand.name)) else { continue }
        isSound = false
        if !isNew { continue }
        if case .missing = problem { missing.append(problem) } else { unfit.append(problem) }
      }
      guard isSound else { continue }
      let known = Set(reader.findings.keys)
      let value = try expression.evaluate(parameter.dims, reader)
      if layers.contains(parameter.name) {
        deferred[parameter.name] = DeferredWeight(expression: expression, dims: parameter.dims)
      } else {
        parameters[parameter.name] = value
      }
      // A fused array's findings are complete only after its last part; this keeps their place in the list.
      unfit += demands.map(\.name).filter { reader.findings[$0] != nil && !known.contains($0) }
        .map { .notFinite(name: $0, value: 0, position: 0, count: 0) }
    }
    let unexpected = source.entries.filter { !used.contains($0.name) && !layout.leavesOut($0.name) }
      .map { WeightsError.Problem.unexpected(name: $0.name, dims: $0.dims) }
    let problems = missing + unexpected + unfit.map { completed($0, reader) }
    if !problems.isEmpty { throw WeightsError(file: source.label, problems: problems) }
    if deferred.isEmpty { return Model(graph: graph, parameters: parameters) }
    let left = DeferredWeights(names: Set(deferred.keys)) { [deferred] name in
      guard let weight = deferred[name] else { preconditionFailure("\(name) was not left in its file") }
      return try weight.expression.evaluate(weight.dims, WeightReader(source))
    }
    return Model(graph: graph, parameters: parameters, deferred: left)
  }

  /// How a weight that stays in its source is made when it is asked for.
  private struct DeferredWeight: Sendable {
    let expression: WeightExpression
    let dims: [Int]
  }

  /// `load` from an archive in memory. - Parameter file: what messages call it.
  package static func load(
    graph: Graph, archive: TensorArchive, file: String = "weights", layout: any WeightLayout = DiffusersLayout()
  ) throws -> Model {
    try load(graph: graph, from: ArchivedWeights(archive, label: file), layout: layout)
  }

  private static func problem(_ demand: WeightDemand, _ entry: WeightEntry?) -> WeightsError.Problem? {
    guard let entry else { return .missing(name: demand.name, dims: demand.dims) }
    if !demand.isMet(by: entry.dims) { return .shape(name: demand.name, expected: demand.dims, found: entry.dims) }
    switch entry.type {
    case .f64, .f32, .f16, .bf16: return nil
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool:
      return .elementType(name: demand.name, found: entry.type)
    }
  }

  private static func completed(_ problem: WeightsError.Problem, _ reader: WeightReader) -> WeightsError.Problem {
    guard case .notFinite(let name, _, _, _) = problem, let finding = reader.findings[name] else { return problem }
    return .notFinite(name: name, value: finding.value, position: finding.position, count: finding.count)
  }
}
