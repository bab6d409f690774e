import Graphs
import Quantization
import Tensors

/// How `inspect --layers` orders its rows: as they run, by name, or the largest first.
package enum LayerOrder: String, Sendable, CaseIterable {
  case execution, name, parameters, macs, bytes, bits
}

/// Every layer and attention product of a network, one row each.
struct LayerList {
  struct Row {
    let path: String
    /// The region that it belongs to.
    let block: String
    /// Of the weight, or of what an attention product gives.
    let dims: [Int]
    let parameters: Int
    let multiplyAccumulates: Int
    /// Once per step, not once per image.
    let isTemporal: Bool
    let weightBits: Int?
    /// Of each operand that is an activation; nil: float.
    let operandBits: [Int?]
    /// One quantiser, or one per step.
    let inputTables: String
    let arithmetic: String
    /// Of the weight as stored, without scales; 0 for products.
    let bytes: Int
    let isProduct: Bool
    /// A layer of a temporal block whose results are kept, so that it never runs.
    let isIdle: Bool

    var inputBits: Int? { operandBits.first ?? nil }
  }

  let rows: [Row]

  /// - Parameter arithmetics: by path, what an executor runs it in; nil for float models, empty where integers cannot execute the tables.
  init(_ source: ModelSource, arithmetics: [String: String]?) {
    let graph = source.model.graph
    let table = source.quantized?.table ?? QuantizationTable()
    let idle = graph.idleParameters(keeping: table.features.keys)
    let blocks = graph.regions.flatMap { region in region.nodes.map { ($0, region.name) } }
    let blockOfNode = Dictionary(blocks) { first, _ in first }
    let parameterOf = Dictionary(graph.layerWeights.map { ($0.path, $0.parameter) }) { first, _ in first }
    rows = GraphSummary(graph).contractions.map { contraction in
      let path = contraction.path
      let parameter = parameterOf[path].flatMap { graph.parameter($0) }
      let weight = table.weights[path]
      let sites =
        parameter == nil
        ? [Site(node: path, role: .operand(0)), Site(node: path, role: .operand(1))] : [Site(node: path, role: .input)]
      let node = sites.first.flatMap { graph.place(of: $0)?.node }
      let operands = sites.map { table.activations[$0] }
      let runs = arithmetics.map { $0[path] ?? ($0.isEmpty ? "simulation" : "float") } ?? "float"
      return Row(
        path: path, block: node.flatMap { blockOfNode[$0.index] } ?? "",
        dims: parameter?.dims ?? sites.first.flatMap { graph.shape(at: $0)?.dims } ?? [],
        parameters: contraction.weightCount, multiplyAccumulates: contraction.multiplyAccumulates,
        isTemporal: contraction.isTemporal, weightBits: weight?.quantizer.bits,
        operandBits: operands.map { $0?.rows[0].bits },
        inputTables: operands.first?.map(Self.tables) ?? "float", arithmetic: runs,
        bytes: parameter.map { Self.bytes(of: weight, $0) } ?? 0, isProduct: parameter == nil,
        isIdle: parameter.map { idle.contains($0.name) } ?? false)
    }
  }

  private static func bytes(of weight: QuantizedWeight?, _ parameter: Parameter) -> Int {
    guard let weight else { return 4 * parameter.count }
    let rowLength = parameter.count / max(parameter.dims[0], 1)
    return weight.quantizer.bits <= 4 ? parameter.dims[0] * ((rowLength + 1) / 2) : parameter.count
  }

  private static func tables(_ quantizers: ActivationQuantizers) -> String {
    switch quantizers.key {
    case .shared: "shared"
    case .step: "per step (\(quantizers.rows.count))"
    case .branch: "per branch"
    case .stepAndBranch: "per step and branch (\(quantizers.rows.count))"
    case .stepAndLabel: "per step and label (\(quantizers.rows.count))"
    }
  }

  func sorted(by order: LayerOrder) -> [Row] {
    func largestFirst(_ key: (Row) -> Int) -> [Row] {
      rows.enumerated().sorted { (key($1.element), $0.offset) < (key($0.element), $1.offset) }.map(\.element)
    }
    switch order {
    case .execution: return rows
    case .name: return rows.sorted { $0.path < $1.path }
    case .parameters: return largestFirst(\.parameters)
    case .macs: return largestFirst(\.multiplyAccumulates)
    case .bytes: return largestFirst(\.bytes)
    case .bits: return largestFirst { $0.weightBits ?? ($0.isProduct ? $0.inputBits ?? 32 : 32) }
    }
  }

  // MARK: For people and machines

  func table(_ order: LayerOrder) -> Table {
    var table = Table([
      ("layer", .left), ("block", .left), ("shape", .left), ("parameters", .right), ("multiply-accumulates", .right),
      ("runs", .left), ("weight", .right), ("input", .right), ("input ranges", .left), ("in", .left), ("bytes", .right),
    ])
    func bits(_ bits: Int?) -> String { bits.map { "\($0) bit" } ?? "float" }
    for row in sorted(by: order) {
      table.add([
        row.path, row.block, row.dims.map(String.init).joined(separator: "x"),
        row.isProduct ? "" : shown(count: row.parameters), shown(count: row.multiplyAccumulates),
        row.isIdle ? "never" : row.isTemporal ? "per step" : "per image", row.isProduct ? "" : bits(row.weightBits),
        row.operandBits.map(bits).joined(separator: ", "), row.inputTables, row.arithmetic,
        row.isProduct ? "" : shown(count: row.bytes),
      ])
    }
    return table
  }

  func value(_ order: LayerOrder) -> ConfigurationValue {
    func number(_ bits: Int?) -> ConfigurationValue { bits.map { .integer($0) } ?? .null }
    return .list(
      sorted(by: order).map { row in
        [
          "path": .string(row.path), "block": .string(row.block), "shape": .list(row.dims.map { .integer($0) }),
          "parameters": .integer(row.parameters), "multiply_accumulates": .integer(row.multiplyAccumulates),
          "temporal": .bool(row.isTemporal), "idle": .bool(row.isIdle), "product": .bool(row.isProduct),
          "weight_bits": number(row.weightBits), "operand_bits": .list(row.operandBits.map(number)),
          "input_tables": .string(row.inputTables), "arithmetic": .string(row.arithmetic),
          "weight_bytes": .integer(row.bytes),
        ]
      })
  }
}
