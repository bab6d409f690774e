import Diffusion
import Graphs
import Tensors

/// Names of the artefact's arrays. Float parameters stand under their own names.
enum ArrayName {
  /// What stands before the arrays of a component other than the denoiser.
  static func component(_ name: String) -> String { "\(name)/" }
  static func codes(_ node: String) -> String { "\(node).weight.codes" }
  static func scales(_ node: String) -> String { "\(node).weight.scales" }
  static func zeroPoints(_ node: String) -> String { "\(node).weight.zero_points" }
  static func inputScales(_ node: String) -> String { "\(node).weight.input_scales" }
  static func scales(_ table: TableKind) -> String { "activations.\(table.rawValue).scales" }
  static func zeroPoints(_ table: TableKind) -> String { "activations.\(table.rawValue).zero_points" }
  static func feature(_ node: String) -> String { "\(node).feature" }
  static func featureCodes(_ node: String) -> String { "\(node).feature.codes" }
  static func featureScales(_ node: String) -> String { "\(node).feature.scales" }
  static func featureZeroPoints(_ node: String) -> String { "\(node).feature.zero_points" }
  static let slopes = "correction.slopes"
  static let biases = "correction.biases"
  static let variances = "correction.variances"
  static let conditionerTable = "conditioner/embedding.weight"
  static let selfTestX = "self_test.x"
  static let selfTestExpected = "self_test.expected"
}

/// The activation tables, each one matrix: rows as named, a column per granule of its sites in header order.
enum TableKind: String, CaseIterable {
  /// One row.
  case shared
  /// A row per sampling step.
  case step
  /// A row per sampling step and class, the class running faster.
  case stepAndLabel = "step_label"
  /// A row for each call of a guided prediction: conditional, unconditional.
  case branch
  /// A row per sampling step and branch, the branch running faster.
  case stepAndBranch = "step_branch"

  init(_ key: ActivationQuantizers.Key) {
    switch key {
    case .shared: self = .shared
    case .step: self = .step
    case .stepAndLabel: self = .stepAndLabel
    case .branch: self = .branch
    case .stepAndBranch: self = .stepAndBranch
    }
  }
}

extension QuantizedModel {
  /// The arrays and the header of the file (docs/formats/quantised-model.md).
  package func encode() -> (tensors: [String: StoredTensor], header: ConfigurationValue) {
    let encoded = table.encode()
    var tensors = parameters.mapValues { StoredTensor($0) }.merging(encoded.tensors) { $1 }
    for (node, feature) in table.features {
      let dims = [feature.rowCount, feature.width]
      switch feature.rows {
      case .floats(let values): tensors[ArrayName.feature(node)] = StoredTensor(Tensor(dims, values))
      case .codes(let codes, let quantizers):
        tensors[ArrayName.featureCodes(node)] = StoredTensor(
          dims: [dims[0], CodePacking.bytesPerRow(feature.width, bits: feature.bits)],
          CodePacking.pack(codes, rowLength: feature.width, bits: feature.bits))
        tensors[ArrayName.featureScales(node)] = StoredTensor(Tensor([dims[0]], quantizers.map { $0.scales[0] }))
        tensors[ArrayName.featureZeroPoints(node)] = StoredTensor(
          dims: [dims[0]], quantizers.map { Int16($0.zeroPoints[0]) })
      }
    }
    if let rows = correction?.rows {
      tensors[ArrayName.slopes] = StoredTensor(Tensor([rows.count], rows.map(\.slope)))
      tensors[ArrayName.biases] = StoredTensor(
        Tensor([rows.count, rows.first?.bias.count ?? 0], rows.flatMap(\.bias)))
      tensors[ArrayName.variances] = StoredTensor(Tensor([rows.count], rows.map(\.variance)))
    }
    if let conditioner { tensors[ArrayName.conditionerTable] = StoredTensor(conditioner.table) }
    if let selfTest {
      tensors[ArrayName.selfTestX] = StoredTensor(selfTest.x)
      tensors[ArrayName.selfTestExpected] = StoredTensor(selfTest.expected)
    }
    var components: [ConfigurationValue.Entry] = [
      .init("denoiser", denoiserHeader(encoded.weights, encoded.activations))
    ]
    if let conditioner { components.append(.init("conditioner", conditioner.encoded)) }
    for (name, component) in self.components.sorted(by: { $0.key < $1.key }) {
      let (arrays, header) = component.encode()
      components.append(.init(name, header))
      for (array, stored) in arrays { tensors[ArrayName.component(name) + array] = stored }
    }
    return (tensors, header(.map(components)))
  }

  private func header(_ components: ConfigurationValue) -> ConfigurationValue {
    var entries: [ConfigurationValue.Entry] = [
      .init("schema", .string(Self.schemaName)), .init("schema_version", .integer(Self.schemaVersion)),
      .init("components", components), .init("process", process), .init("recipe", recipe.encode()),
      .init("sampler", sampler), .init("steps", steps.encode()), .init("lineage", lineage.encode()),
      .init("self_test", selfTest?.encode() ?? nil),
    ]
    if let latentScale { entries.append(.init("latent_scale", .number(latentScale))) }
    return .map(entries)
  }

  private func denoiserHeader(
    _ weights: [ConfigurationValue], _ activations: [ConfigurationValue]
  ) -> ConfigurationValue {
    let features = table.features.sorted { $0.key < $1.key }
    var classCount: Int?
    for key in table.activations.values.map(\.key) + features.map(\.value.key) {
      if case .stepAndLabel(let count) = key { classCount = count }
    }
    return [
      "network": network, "sample_shape": sampleShape.map { .list($0.dims.map { .integer($0) }) } ?? nil,
      "weights": .list(weights), "activations": .list(activations),
      "features": .list(
        features.map { node, feature in
          [
            "node": .string(node), "table": .string(TableKind(feature.key).rawValue), "width": .integer(feature.width),
            "bits": .integer(feature.bits),
          ]
        }),
      "correction": .bool(correction != nil), "table_classes": classCount.map { .integer($0) } ?? nil,
    ]
  }
}

extension QuantizationTable {
  /// The arrays of codes and of activation quantisers, and what a header says of each.
  fileprivate func encode() -> (
    tensors: [String: StoredTensor], weights: [ConfigurationValue], activations: [ConfigurationValue]
  ) {
    var tensors: [String: StoredTensor] = [:]
    var entries: [ConfigurationValue] = []
    for (node, weight) in weights.sorted(by: { $0.key < $1.key }) {
      let quantizer = weight.quantizer
      let rows = weight.dims.first ?? 0
      let rowLength = weight.codes.count / max(rows, 1)
      tensors[ArrayName.codes(node)] = StoredTensor(
        dims: [rows, CodePacking.bytesPerRow(rowLength, bits: quantizer.bits)],
        CodePacking.pack(weight.codes, rowLength: rowLength, bits: quantizer.bits))
      tensors[ArrayName.scales(node)] = StoredTensor(Tensor([quantizer.scales.count], quantizer.scales))
      tensors[ArrayName.zeroPoints(node)] = StoredTensor(
        dims: [quantizer.zeroPoints.count], quantizer.zeroPoints.map { Int16($0) })
      entries.append([
        "node": .string(node), "dims": .list(weight.dims.map { .integer($0) }), "bits": .integer(quantizer.bits),
        "granularity": quantizer.granularity.encode(), "input_scales": .bool(weight.inputScales != nil),
      ])
      if let scales = weight.inputScales {
        tensors[ArrayName.inputScales(node)] = StoredTensor(Tensor([scales.count], scales))
      }
    }
    let sites = activations.sorted { $0.key < $1.key }
    for kind in TableKind.allCases {
      let members = sites.filter { TableKind($0.value.key) == kind }
      guard let rowCount = members.first?.value.rows.count else { continue }
      precondition(members.allSatisfy { $0.value.rows.count == rowCount }, "tables of one kind differ in length")
      let columns = members.reduce(0) { $0 + $1.value.rows[0].scales.count }
      var scales: [Float] = []
      var zeroPoints: [Int16] = []
      for row in 0..<rowCount {
        for (_, quantizers) in members {
          scales += quantizers.rows[row].scales
          zeroPoints += quantizers.rows[row].zeroPoints.map { Int16($0) }
        }
      }
      tensors[ArrayName.scales(kind)] = StoredTensor(Tensor([rowCount, columns], scales))
      tensors[ArrayName.zeroPoints(kind)] = StoredTensor(dims: [rowCount, columns], zeroPoints)
    }
    let described = sites.map { site, quantizers -> ConfigurationValue in
      let first = quantizers.rows[0]
      let entry: ConfigurationValue = [
        "site": .string(site.description), "table": .string(TableKind(quantizers.key).rawValue),
        "bits": .integer(first.bits), "granularity": first.granularity.encode(),
        "columns": .integer(first.scales.count),
      ]
      return quantizers.areNumerators ? entry.setting("numerators", true) : entry
    }
    return (tensors, entries, described)
  }
}

extension QuantizedModel.Component {
  /// The arrays, under the names that they have within the component, and the component's header.
  package func encode() -> (tensors: [String: StoredTensor], header: ConfigurationValue) {
    let encoded = table.encode()
    var header: ConfigurationValue = [
      "network": network, "sample_shape": .list(sampleShape.dims.map { .integer($0) }),
      "weights": .list(encoded.weights), "activations": .list(encoded.activations),
    ]
    if let origin {
      header = header.setting("source_digest", .string(origin.networkDigest)).setting("recipe", origin.recipe.encode())
    }
    return (parameters.merging(encoded.tensors) { $1 }, header)
  }
}

extension QuantizedModel.Lineage {
  fileprivate func encode() -> ConfigurationValue {
    [
      "source_digest": .string(sourceDigest), "source_name": .string(sourceName),
      "calibration_digest": calibrationDigest.map { .string($0) } ?? nil,
      "calibration": calibration?.encode() ?? nil, "program": .string(program),
    ]
  }
}

extension QuantizedModel.SelfTest {
  fileprivate func encode() -> ConfigurationValue {
    [
      "step": .integer(stepIndex),
      "labels": conditioning.isEmpty ? nil : .list(conditioning.map { .integer($0.label ?? 0) }),
    ]
  }
}

extension Granularity {
  /// `per_tensor`, `per_channel`, or a map with the boundaries of a split.
  func encode() -> ConfigurationValue {
    switch self {
    case .perTensor: "per_tensor"
    case .perChannel: "per_channel"
    case .split(let boundaries): ["split": .list(boundaries.map { .integer($0) })]
    case .rowSplit(let boundaries): ["row_split": .list(boundaries.map { .integer($0) })]
    }
  }
}

extension ClassEmbedder {
  static let className = "ClassEmbedder"

  fileprivate var encoded: ConfigurationValue {
    [
      "_class_name": .string(Self.className), "classes": .integer(table.dims[0]), "width": .integer(table.dims[1]),
      "unconditional_class": unconditional.map { .integer($0) } ?? nil,
    ]
  }
}
