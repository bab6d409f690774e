import Graphs
import Tensors

extension QuantizedModel {
  /// A component of a pipeline other than its denoiser: a network of its own, whose table does not depend on the sampling step.
  package struct Component: Sendable, Equatable {
    /// Components that an artefact may hold beside the denoiser.
    package static let names = ["decoder", "encoder", "text_encoder"]

    /// The network's configuration, as its kind writes it.
    package var network: ConfigurationValue
    /// Shape of what the network takes at the size that the pipeline was made for.
    package var sampleShape: ImageShape
    package var table: QuantizationTable
    /// Arrays that are no codes, of the element type they came with: F32, F16 or BF16. Those that no parameter of the network is
    /// made of, such as a codebook, stand there too.
    package var parameters: [String: StoredTensor]
    /// How it was quantised; nil where it goes along as it is.
    package var origin: Origin?

    /// What a quantised component was made of.
    package struct Origin: Sendable, Equatable {
      /// Identity of the float network.
      package let networkDigest: String
      package let recipe: Recipe

      package init(networkDigest: String, recipe: Recipe) {
        self.networkDigest = networkDigest
        self.recipe = recipe
      }
    }

    package init(
      network: ConfigurationValue, sampleShape: ImageShape, table: QuantizationTable,
      parameters: [String: StoredTensor], origin: Origin? = nil
    ) {
      self.origin = origin
      self.network = network
      self.sampleShape = sampleShape
      self.table = table
      self.parameters = parameters
    }

    /// The network to execute, together with `table`.
    /// - Parameters: graph: what `network` describes; name: of the component; file: what messages name.
    /// - Throws: `E-QM-GRAPH` with everything that does not fit the graph.
    package func model(graph: Graph, name: String, file: String) throws(QuantizationError) -> Model {
      let layers = graph.layerWeights.filter { table.weights[$0.path] != nil }
      let coded = Set(layers.map(\.parameter))
      let (problems, _) = table.problems(
        for: graph, codes: coded, found: parameters.mapValues(\.dims), keeping: [:].keys)
      if !problems.isEmpty { throw .otherGraph(file: "\(file): \(name)", problems: problems) }
      var floats: [String: Tensor] = [:]
      for (parameter, stored) in parameters { floats[parameter] = stored.floats() }
      return Model(graph: graph, parameters: floats, coded: coded)
    }
  }
}

extension QuantizationTable {
  /// What of a table and of stored parameters does not fit a network, and which parameters nothing reads.
  /// - Parameters: codes: parameters that are codes; found: dims of the others; keeping: features that are looked up.
  func problems(
    for graph: Graph, codes: Set<String>, found: [String: [Int]],
    keeping features: Dictionary<String, KeptFeature>.Keys
  ) -> (problems: [String], idle: Set<String>) {
    var problems: [String] = []
    do {
      try check(for: graph)
    } catch {
      problems.append(error.message)
    }
    let idle = problems.isEmpty ? graph.idleParameters(keeping: features) : []
    for parameter in graph.parameters {
      let name = parameter.name
      switch (found[name], codes.contains(name)) {
      case (_?, true): problems.append("\(name): both as codes and as floats")
      case (nil, true): break
      case (nil, false): if !idle.contains(name) { problems.append("\(name): missing") }
      case (let dims?, false):
        if dims != parameter.dims { problems.append("\(name): expected shape \(parameter.dims), found \(dims)") }
      }
    }
    problems += found.keys.sorted().filter { graph.parameter($0) == nil }
      .map { "\(printable($0)): the network has no such parameter" }
    return (problems, idle)
  }
}
