import Formats
import Graphs
import Networks
import Quantization
import Tensors

/// One network of a first stage with its weights, for latents of any size.
package struct FirstStageNetwork: Sendable {
  package let side: FirstStageSide
  package let configuration: any FirstStageConfiguration
  /// nil for a float network's.
  package let table: QuantizationTable
  /// Where latents are numbers of codes before they are decoded.
  package let codebook: Codebook?
  /// Identity of the network and its weights, whatever container they stand in: `sha256:…`.
  package let digest: String
  /// By parameter; those that are codes of `table` are missing.
  private let parameters: [String: Tensor]
  private let coded: Set<String>
  /// How it was quantised; nil for a float network.
  private let origin: QuantizedModel.Component.Origin?
  /// The types that values had where they come from, of parameters whose type is not F32.
  private let types: [String: ElementType]

  /// Sizes do not matter to weights: any graph names the parameters.
  private static let smallest = SampleSize(height: 1, width: 1)

  /// Reads the weights of a checkpoint.
  init(
    _ side: FirstStageSide, _ configuration: any FirstStageConfiguration, _ source: any WeightSource,
    _ layout: any WeightLayout
  ) throws {
    let graph = try Self.graph(side, configuration)
    let layout = FirstStageLayout(layout, side: side)
    let count = GraphSummary(graph).parameterCount
    try MemoryBudget.require(MemoryBudget.product(8, count), for: "a \(side.rawValue) of \(count) parameters")
    let model = try Model.load(graph: graph, from: source, layout: layout)
    var types: [String: ElementType] = [:]
    for parameter in graph.parameters { types[parameter.name] = layout.elementType(of: parameter, in: source) }
    var codebook: Codebook?
    if side == .decoder, let wanted = configuration.codebook {
      codebook = try Codebook.load(wanted, from: source)
      let type = source.entry(wanted.name)?.type
      types[wanted.name] = type == .f16 || type == .bf16 ? type : .f32
    }
    self.init(
      side, configuration, model.parameters, codebook: codebook, table: QuantizationTable(), coded: [], types: types,
      origin: nil)
  }

  /// With weights drawn from a seed, for timing.
  init(random side: FirstStageSide, _ configuration: any FirstStageConfiguration, seed: UInt64) throws {
    let model = Model.random(graph: try Self.graph(side, configuration), seed: seed)
    let codebook = side == .decoder ? configuration.codebook.map { Codebook(Tensor($0.dims)) } : nil
    self.init(
      side, configuration, model.parameters, codebook: codebook, table: QuantizationTable(), coded: [], types: [:],
      origin: nil)
  }

  /// This network after quantisation.
  /// - Parameter network: of `model(latent:)` for any size.
  func quantized(as network: QuantizedNetwork, recipe: Recipe) throws -> FirstStageNetwork {
    let floats = try QuantizedModel.floatParameters(of: network)
    return FirstStageNetwork(
      side, configuration, floats, codebook: codebook, table: network.table,
      coded: Set(parameters.keys).subtracting(floats.keys),
      // A corrected bias is a Float.
      types: types.filter { name, _ in floats[name] == parameters[name] },
      origin: .init(networkDigest: digest, recipe: recipe))
  }

  /// Takes the network out of an artefact.
  init(
    _ side: FirstStageSide, _ configuration: any FirstStageConfiguration, _ component: QuantizedModel.Component,
    file: String
  ) throws {
    let graph = try Self.graph(side, configuration)
    var component = component
    let types = component.parameters.mapValues(\.type)
    var codebook: Codebook?
    if side == .decoder, let wanted = configuration.codebook {
      let stored = component.parameters.removeValue(forKey: wanted.name)
      let archive = TensorArchive(tensors: stored.map { [wanted.name: $0] } ?? [:])
      codebook = try Codebook.load(wanted, from: ArchivedWeights(archive, label: file))
    }
    let model = try component.model(graph: graph, name: side.rawValue, file: file)
    self.init(
      side, configuration, model.parameters, codebook: codebook, table: component.table, coded: model.coded,
      types: types, origin: component.origin)
  }

  private init(
    _ side: FirstStageSide, _ configuration: any FirstStageConfiguration, _ parameters: [String: Tensor],
    codebook: Codebook?, table: QuantizationTable, coded: Set<String>, types: [String: ElementType],
    origin: QuantizedModel.Component.Origin?
  ) {
    self.origin = origin
    self.side = side
    self.configuration = configuration
    self.parameters = parameters
    self.codebook = codebook
    self.table = table
    self.coded = coded
    self.types = types.filter { $0.value != .f32 }
    digest = Self.digest(side, configuration, parameters, codebook, table)
  }

  /// Values count as Floats, whatever type they are stored in, and codes as what they are.
  private static func digest(
    _ side: FirstStageSide, _ configuration: any FirstStageConfiguration, _ parameters: [String: Tensor],
    _ codebook: Codebook?, _ table: QuantizationTable
  ) -> String {
    var arrays = parameters.mapValues { StoredTensor($0) }
    if let codebook, let name = configuration.codebook?.name { arrays[name] = StoredTensor(codebook.codes) }
    let whole = QuantizedModel.Component(
      network: configuration.encoded, sampleShape: ImageShape(channels: 1, height: 1, width: 1), table: table,
      parameters: arrays
    ).encode()
    return ModelDigest.of(["side": .string(side.rawValue), "network": whole.header], whole.tensors.keys) {
      whole.tensors[$0]
    }
  }

  private static func graph(_ side: FirstStageSide, _ configuration: any FirstStageConfiguration) throws -> Graph {
    try configuration.graph(side, latent: smallest)
  }

  // MARK: Using it

  /// Numbers that its weights and codebook are.
  package var valueCount: Int {
    parameters.values.reduce(codebook?.codes.count ?? 0) { $0 + $1.count }
      + table.weights.values.reduce(0) { $0 + $1.codes.count }
  }

  /// The network for latents of a size.
  package func model(latent: SampleSize) throws -> Model {
    Model(graph: try configuration.graph(side, latent: latent), parameters: parameters, coded: coded)
  }

  /// The network as an artefact stores it: values of 16 bits stay what they were.
  /// - Parameter latent: the size that its configuration's sample shape says.
  package func component(latent: SampleSize) throws -> QuantizedModel.Component {
    let graph = try configuration.graph(side, latent: latent)
    var stored = parameters
    if let codebook, let name = configuration.codebook?.name { stored[name] = codebook.codes }
    return QuantizedModel.Component(
      network: configuration.encoded, sampleShape: graph.imageShape, table: table,
      parameters: Dictionary(
        uniqueKeysWithValues: stored.map { name, tensor in
          let whole = StoredTensor(tensor)
          guard let type = types[name] else { return (name, whole) }
          // The values came from that type, so nothing is rounded.
          var conversion = ElementConversion(from: .f32, to: type)
          let bytes = conversion.convert(whole.bytes, 0..<whole.bytes.count)
          return (name, StoredTensor(type: type, dims: tensor.dims, bytes: bytes))
        }), origin: origin)
  }
}

/// The identity of networks: what computes the same has the same digest, whatever container it came from.
enum ModelDigest {
  /// - Parameters: header: what describes the network; names: of its arrays; array: one of them, which is asked for when it is
  ///   its turn.
  static func of(
    _ header: ConfigurationValue, _ names: some Sequence<String>, _ array: (String) throws -> StoredTensor?
  ) rethrows -> String {
    var digest = Digest.Incremental()
    digest.update(Array(JSONWriter.compact(header).utf8))
    for name in names.sorted() {
      guard let stored = try array(name) else { continue }
      digest.update(Array("\n\(name) \(stored.dims)\n".utf8))
      digest.update(stored.bytes)
    }
    return "sha256:" + digest.finish()
  }
}
