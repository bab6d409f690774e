import Diffusion
import Execution
import Foundation
import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

/// Valid recipes on tiny networks make an artefact that can be read back and run, or end with a named error: never a trap,
/// never an artefact that is refused afterwards. Every case follows from its number; `HALFTONE_FUZZ_RECIPES=A-B` runs
/// others than the suite's (`make fuzz-recipes`).
@Suite struct RecipeFuzzTests {
  private static let cases: ClosedRange<Int> = {
    let text = ProcessInfo.processInfo.environment["HALFTONE_FUZZ_RECIPES"] ?? "0-59"
    let ends = text.split(separator: "-").compactMap { Int($0) }
    return ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : 0...59
  }()

  private enum Outcome: String { case artefact, contradiction, refused }

  @Test func validRecipesMakeGoodArtefactsOrNamedErrors() throws {
    var outcomes: [Outcome: Int] = [:]
    var refusals: [String: Int] = [:]
    for number in Self.cases {
      // A trap says nothing of its case; this does, where it is asked for.
      if Self.cases.count > 60 { print("case \(number)") }
      do {
        outcomes[try Self.run(number), default: 0] += 1
      } catch let error as any HalftoneError {
        outcomes[.refused, default: 0] += 1
        refusals[error.id, default: 0] += 1
        if Self.cases.count > 60 || error.id == "E-CONFIG" { print("case \(number): \(error)") }
        #expect(!error.id.hasPrefix("E-QM-") && error.exit != .internalError, "case \(number): \(error)")
      } catch {
        Issue.record("case \(number): \(error)")
      }
    }
    print(
      "recipes: \(outcomes.map { "\($0.key.rawValue) \($0.value)" }.sorted()), \(refusals.sorted { $0.key < $1.key })")
    // The grammar is worth something only while a good part of its sentences make artefacts.
    #expect(outcomes[.artefact, default: 0] * 4 > Self.cases.count)
  }

  private static func run(_ number: Int) throws -> Outcome {
    var grammar = RecipeGrammar(seed: UInt64(number))
    let recipe: Recipe
    do { recipe = try Recipe(grammar.recipe(), file: "case \(number)") } catch { return .contradiction }
    let (model, process) = (try grammar.network(), try grammar.process())
    let sampler = try SamplerCatalog.decode(grammar.sampler(), file: "case \(number)")
    let steps = try sampler.steps(for: process)
    let denoiser = try NetworkDenoiser(
      graph: model.graph, executor: FloatExecutor(model), predictionType: process.predictionType)
    let builder = CalibrationSetBuilder()
    let sampling = CalibrationSampling(
      denoiser: denoiser, schedule: process.schedule, sampler: sampler, modelDigest: TinyModel.digest, batch: 4)
    try sampling.run(recipe.calibration, into: builder) { _ in }
    let set = try #require(builder.set(digest: "sha256:set"))
    let task = try QuantizationTask(
      model: model, recipe: recipe, set: set, makeExecutor: { try FloatExecutor($0, simulating: $1, observer: $2) },
      pool: .shared, progress: { _ in })
    let network = try task.run()
    try check(network, recipe, process, sampler, steps, file: "case \(number)")
    return .artefact
  }

  /// The artefact as it is written, read back, and the same network from it.
  private static func check(
    _ network: QuantizedNetwork, _ recipe: Recipe, _ process: DiffusionProcess, _ sampler: any Sampler, _ steps: [Step],
    file: String
  ) throws {
    let graph = network.model.graph
    let made = QuantizedModel(
      network: ["in_channels": .integer(graph.imageShape.channels)], sampleShape: graph.imageShape,
      process: process.configuration, recipe: recipe,
      sampler: sampler.configuration, steps: steps, table: network.table,
      parameters: try QuantizedModel.floatParameters(of: network),
      lineage: .init(
        sourceDigest: "sha256:a", sourceName: "a", calibrationDigest: nil, calibration: nil, program: "halftone"),
      correction: network.correction)
    let (tensors, header) = made.encode()
    let found = try QuantizedModel(tensors: tensors, header: header, file: file)
    #expect(found == made, "\(file): reads as another model")
    let model = try found.model(graph: graph, file: file)
    let x = NoiseSource(seed: 1, stream: .recipe).normals(images: [0], shape: graph.imageShape, draw: .initial)
    let input = NetworkInput(
      x: x, timesteps: [steps[0].timestep], conditioning: graph.classCount.map { _ in [Conditioning(label: 0)] } ?? [],
      stepIndex: 0)
    let output: Tensor
    do {
      output = try IntegerExecutor(model, table: found.table).run(input)
    } catch ExecutionError.unsupported {
      output = try FloatExecutor(model, simulating: found.table).run(input)
    }
    let isFinite = output.values.allSatisfy { $0.isFinite }
    #expect(isFinite, "\(file): the artefact's own result is not finite")
  }
}
