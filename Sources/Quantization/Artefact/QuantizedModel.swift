import Diffusion
import Graphs
import Tensors

/// A quantised model as it is stored: everything that running it needs, without the float model.
package struct QuantizedModel: Sendable, Equatable {
  package static let schemaName = "halftone.quantized-model"
  /// The version that is written. A reader refuses others than `readVersions` and says which it knows.
  package static let schemaVersion = 2
  /// Version 1 has the denoiser's keys beside the pipeline's, and no `sample_shape`.
  package static let readVersions = 1...schemaVersion
  /// The file's metadata entry that holds the header, as JSON.
  package static let metadataKey = "halftone"

  /// Where the artefact comes from.
  package struct Lineage: Sendable, Equatable {
    /// Identity of the float model.
    package var sourceDigest: String
    /// What the user calls it: a folder's or file's name.
    package var sourceName: String
    /// Identity of the calibration set and what it says of itself; nil when nothing was calibrated.
    package var calibrationDigest: String?
    package var calibration: CalibrationProvenance?
    /// Version of the program that made it.
    package var program: String

    package init(
      sourceDigest: String, sourceName: String, calibrationDigest: String?, calibration: CalibrationProvenance?,
      program: String
    ) {
      self.sourceDigest = sourceDigest
      self.sourceName = sourceName
      self.calibrationDigest = calibrationDigest
      self.calibration = calibration
      self.program = program
    }
  }

  /// One call and its result by the integer executor, to be repeated wherever the file is opened.
  package struct SelfTest: Sendable, Equatable {
    /// N C H W.
    package var x: Tensor
    /// Position of the step in `steps`.
    package var stepIndex: Int
    /// One per image; empty for unconditional networks.
    package var conditioning: [Conditioning]
    /// N C' H W.
    package var expected: Tensor

    package init(x: Tensor, stepIndex: Int, conditioning: [Conditioning], expected: Tensor) {
      self.x = x
      self.stepIndex = stepIndex
      self.conditioning = conditioning
      self.expected = expected
    }
  }

  /// The denoiser's configuration, as its family writes it.
  package var network: ConfigurationValue
  /// What the denoiser denoises: its tables and its self-test are for this size. nil in files of schema version 1, whose
  /// configuration says it.
  package var sampleShape: ImageShape?
  /// Noise schedule and prediction type.
  package var process: ConfigurationValue
  package var recipe: Recipe
  /// The sampler the tables were calibrated for, every key resolved, and its steps in execution order.
  package var sampler: ConfigurationValue
  package var steps: [Step]
  package var table: QuantizationTable
  /// Of predictions while sampling; nil: none.
  package var correction: NoiseCorrection?
  /// What turns class labels into the contexts that the denoiser takes; nil where nothing does.
  package var conditioner: ClassEmbedder?
  /// What a first stage's values are multiplied with to be the denoiser's; nil where it works on images themselves.
  package var latentScale: Double?
  /// Parameters that stay float: biases, normalisations, embeddings and the layers that the recipe left out.
  package var parameters: [String: Tensor]
  package var lineage: Lineage
  package var selfTest: SelfTest?
  /// The pipeline's other components, by name (`Component.names`).
  package var components: [String: Component]

  package init(
    network: ConfigurationValue, sampleShape: ImageShape?, process: ConfigurationValue, recipe: Recipe,
    sampler: ConfigurationValue, steps: [Step], table: QuantizationTable, parameters: [String: Tensor],
    lineage: Lineage,
    correction: NoiseCorrection? = nil, conditioner: ClassEmbedder? = nil, latentScale: Double? = nil,
    selfTest: SelfTest? = nil, components: [String: Component] = [:]
  ) {
    self.components = components
    self.conditioner = conditioner
    self.latentScale = latentScale
    self.correction = correction
    self.network = network
    self.sampleShape = sampleShape
    self.process = process
    self.recipe = recipe
    self.sampler = sampler
    self.steps = steps
    self.table = table
    self.parameters = parameters
    self.lineage = lineage
    self.selfTest = selfTest
  }

  /// Whether only the steps it was calibrated for can be executed.
  package var dependsOnStep: Bool { table.dependsOnStep || correction != nil }

  /// The parameters of a network that stay float, biases as they were corrected; not those that only a temporal block
  /// reads whose results are kept.
  /// - Throws: what keeps weights that were left in their file from being read.
  package static func floatParameters(of network: QuantizedNetwork) throws -> [String: Tensor] {
    let graph = network.model.graph
    var absent = graph.idleParameters(keeping: network.table.features.keys)
    for layer in graph.layerWeights where network.table.weights[layer.path] != nil { absent.insert(layer.parameter) }
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters where !absent.contains(parameter.name) {
      parameters[parameter.name] = try network.model.parameter(parameter.name)
    }
    return parameters
  }

  /// The model to execute, together with `table`: its quantised weights are the table's codes and nothing else.
  /// - Parameters: graph: what `network` describes; file: what messages name.
  /// - Throws: `E-QM-GRAPH` with every weight, site and parameter that does not fit the graph.
  package func model(graph: Graph, file: String) throws(QuantizationError) -> Model {
    let layers = graph.layerWeights.filter { table.weights[$0.path] != nil }
    let stored = Set(layers.map(\.parameter))
    let (fit, idle) = table.problems(
      for: graph, codes: stored, found: parameters.mapValues(\.dims), keeping: table.features.keys)
    var problems = fit
    problems += selfTestProblems(graph) + conditionerProblems(graph)
    let absent = graph.parameters.filter { idle.contains($0.name) && parameters[$0.name] == nil }
    if let problem = absenceProblem(absent.reduce(0) { $0 + $1.count }) { problems.append(problem) }
    if !problems.isEmpty { throw .otherGraph(file: file, problems: problems) }
    var complete = parameters
    // Executors compile the layers that read them, and run none.
    for parameter in graph.parameters where complete[parameter.name] == nil && !stored.contains(parameter.name) {
      complete[parameter.name] = Tensor(parameter.dims)
    }
    return Model(graph: graph, parameters: complete, coded: stored)
  }

  /// Parameters that may be absent are made all the same, and then take memory that no part of the file stands for. Far above
  /// what a temporal block is to the rest of its network.
  private func absenceProblem(_ count: Int) -> String? {
    let stored = parameters.values.reduce(0) { $0 + $1.count } + table.weights.values.reduce(0) { $0 + $1.codes.count }
    let largest = 64 * stored + (1 << 22)
    if count <= largest { return nil }
    return
      "\(count) values of parameters are absent because nothing reads them, and \(stored) are there; expected at most \(largest)"
  }

  /// What the call of the self-test is given: its labels as the network takes them, or an example of what it takes.
  package func selfTestConditioning(_ test: SelfTest, graph: Graph) -> [Conditioning] {
    if let conditioner { return test.conditioning.map(conditioner.embedded) }
    let form = graph.conditioning
    guard form.context != nil else { return test.conditioning }
    return (0..<(test.x.dims.first ?? 0)).map { _ in form.example() }
  }

  private func conditionerProblems(_ graph: Graph) -> [String] {
    guard let conditioner else { return [] }
    let expected = graph.conditioning.context.map { [$0.tokens, $0.width] }
    let found = [1, conditioner.table.dims[1]]
    if expected == found { return [] }
    return [
      "conditioner: its contexts have shape \(found), the network takes \(expected.map { "\($0)" } ?? "none")"
    ]
  }

  private func selfTestProblems(_ graph: Graph) -> [String] {
    guard let selfTest else { return [] }
    var problems: [String] = []
    let count = selfTest.x.dims.first ?? 0
    let output = [count] + graph.nodes[graph.output].dims
    if selfTest.x.dims != [count] + graph.imageShape.dims || count == 0 {
      problems.append("self_test.x: expected shape N + \(graph.imageShape.dims), found \(selfTest.x.dims)")
    }
    if selfTest.expected.dims != output {
      problems.append("self_test.expected: expected shape \(output), found \(selfTest.expected.dims)")
    }
    let labels = selfTest.conditioning.compactMap(\.label)
    let classCount = conditioner?.form.classes ?? graph.classCount
    let classes = 0..<(classCount ?? 0)
    if labels.count != (classCount == nil ? 0 : count) || !labels.allSatisfy({ classes.contains($0) }) {
      problems.append(
        "self_test.labels: expected \(classCount == nil ? "none" : "\(count) classes below \(classes.upperBound)")"
      )
    }
    return problems
  }
}
