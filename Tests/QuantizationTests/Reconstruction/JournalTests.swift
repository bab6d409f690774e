import Execution
import Quantization
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct ReconstructionJournalTests {
  /// Remembers regions in memory.
  final class Memory: ReconstructionJournal {
    let regions = Mutex<[Int: (name: String, region: ReconstructedRegion)]>([:])
    func finished(_ number: Int, name: String) throws -> ReconstructedRegion? {
      regions.withLock { $0[number]?.name == name ? $0[number]?.region : nil }
    }
    func record(_ region: ReconstructedRegion, _ number: Int, name: String) throws {
      regions.withLock { $0[number] = (name, region) }
    }
    let states = Mutex<[Int: RegionState]>([:])
    func unfinished(_ number: Int, name: String) throws -> RegionState? { states.withLock { $0[number] } }
    func keep(_ state: RegionState, _ number: Int, name: String) throws { states.withLock { $0[number] = state } }
  }

  struct Killed: Error {}

  @Test("a region that is stopped goes on from the state kept last, to the same bits", arguments: [false, true])
  func resumptionWithin(isWhole: Bool) throws {
    let tiny = try TinyModel()
    var recipe = try ReconstructionTests.quantisedRecipe(isWhole ? "network" : "blocks") { value in
      ReconstructionTests.straight(value).setting("iterations", 160).setting("upstream", "mixed")
        .setting("bias_learning_rate", 0.001).setting("scale_learning_rate", 0.0001)
        .setting("activations", ["learning_rate": 0.01, "drop": 0.5])
    }
    recipe.activationTables = isWhole ? .all : .shared
    recipe.method = "tfmq"
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    /// The network, and the first iteration that was reported.
    func run(_ journal: any ReconstructionJournal, stopAt: Int?) throws -> (network: QuantizedNetwork, first: Int?) {
      let first = Mutex<Int?>(nil)
      let task = try QuantizationTask(
        model: tiny.model, recipe: recipe, set: set,
        makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 2),
        progress: { progress in
          guard progress.unit == "iterations" else { return }
          first.withLock { $0 = $0 ?? progress.done }
          if progress.done == stopAt { throw Killed() }
        }, journal: journal)
      return (try task.reconstructed(task.roundedWeights()), first.withLock { $0 })
    }
    let whole = try run(Memory(), stopAt: nil).network
    let journal = Memory()
    #expect(throws: Killed.self) { try run(journal, stopAt: 96) }
    let kept = journal.states.withLock { $0 }
    #expect(kept.values.map(\.iteration) == [96])
    let (resumed, first) = try run(journal, stopAt: nil)
    #expect(first == 97)
    #expect(resumed.table == whole.table && resumed.model.parameters == whole.model.parameters)
    // A state that lacks an array is of another region: the iterations begin again.
    let other = Memory()
    other.states.withLock { states in
      states = kept
      for (number, state) in kept {
        var state = state
        state.arrays[state.arrays.keys.sorted()[0]] = nil
        states[number] = state
      }
    }
    let again = try run(other, stopAt: nil)
    #expect(again.network.table == whole.table && again.first == 1)
  }

  @Test("a stopped reconstruction goes on at the first unfinished region and gives the same codes") func resumption()
    throws
  {
    let tiny = try TinyModel()
    var recipe = try ReconstructionTests.recipe("blocks") {
      $0.setting("iterations", 16).setting("bias_learning_rate", 0.001).setting("scale_learning_rate", 0.0001)
    }
    let network = try ReconstructionTests.recipe("network") {
      ReconstructionTests.straight($0).setting("iterations", 16)
    }
    recipe.reconstruction?.network = network.reconstruction?.network
    let blocks = recipe.reconstruction?.blocks
    recipe.reconstruction?.temporalBlock = blocks
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    let stages = Mutex<[String]>([])
    func run(_ journal: any ReconstructionJournal, stopAfter: Int) throws -> QuantizedNetwork {
      let seen = Mutex(0)
      let task = try QuantizationTask(
        model: tiny.model, recipe: recipe, set: set,
        makeExecutor: { try ReferenceExecutor($0, simulating: $1, observer: $2) }, pool: WorkerPool(threads: 2),
        progress: { progress in
          guard progress.unit == "iterations" else { return }
          stages.withLock { $0.append(progress.stage) }
          if seen.withLock({ count in
            count += 1
            return count > stopAfter
          }) {
            throw Killed()
          }
        }, journal: journal)
      return try task.reconstructed(task.roundedWeights())
    }
    let whole = try run(Memory(), stopAfter: .max)
    let all = stages.withLock { stages in
      defer { stages = [] }
      return stages
    }
    let journal = Memory()
    // In the fifth region, after the first of 16 iterations.
    #expect(throws: Killed.self) { try run(journal, stopAfter: 4 * 16) }
    stages.withLock { $0 = [] }
    let resumed = try run(journal, stopAfter: .max)
    #expect(resumed.table == whole.table && resumed.model.parameters == whole.model.parameters)
    #expect(stages.withLock { $0 } == Array(all.dropFirst(4 * 16 + 1)))
    // A region that cannot be this network's is made again.
    journal.regions.withLock { $0[1]?.region.codes["conv_in"] = [99] }
    #expect(try run(journal, stopAfter: .max).table == whole.table)
  }
}

@Suite struct EffortTests {
  @Test("balanced changes nothing; fast and paper say what they changed") func changes() throws {
    let value = Recipe.plainValue.setting("weights.rounding", Recipe.gptqValue).setting("calibration.trajectories", 64)
      .setting("activations.ema", ["decay": 0.95, "batch": 16])
      .setting(
        "reconstruction",
        Recipe.reconstructionValue.setting("network", Recipe.learningValue.setting("relaxation", "straight_through")))
    let recipe = try Recipe(value, file: "a.yaml")
    #expect(recipe.scaled(to: .balanced).recipe == recipe)
    #expect(recipe.scaled(to: .balanced).changes.isEmpty)
    let fast = recipe.scaled(to: .fast)
    #expect(
      fast.changes == [
        "calibration.trajectories: 64 -> 16", "weights.rounding.samples_per_step: 4 -> 1",
        "reconstruction.samples_per_step: 4 -> 1", "reconstruction.blocks.iterations: 40 -> 10",
        "reconstruction.network.iterations: 40 -> 10", "reconstruction.network.batch: 4 -> 2",
      ])
    #expect(fast.recipe.reconstruction?.network?.iterations == 10)
    let paper = recipe.scaled(to: .paper)
    #expect(
      paper.changes == [
        "calibration.trajectories: 64 -> 256", "reconstruction.blocks.iterations: 40 -> 20000",
        "reconstruction.blocks.learning_rate: 0.02 -> 0.001", "reconstruction.network.iterations: 40 -> 320",
      ])
  }
  @Test("fast compensates errors instead of learning blocks from nearest rounding, unless activations are learned, too")
  func closedForm() throws {
    let value = Recipe.plainValue.setting("reconstruction", Recipe.reconstructionValue)
      .setting("activations.upstream", "quantized")
    let fast = try Recipe(value, file: "a.yaml").scaled(to: .fast)
    #expect(
      fast.changes == [
        "calibration.trajectories: 4 -> 1", "weights.rounding: nearest -> gptq",
        "reconstruction.blocks: 40 iterations -> none", "activations.upstream: quantized -> quantized_weights",
      ])
    #expect(fast.recipe.reconstruction == nil)
    guard case .gptq(let settings)? = fast.recipe.weights?.rounding else {
      Issue.record("weights are still rounded to the nearest code")
      return
    }
    #expect(settings.samplesPerStep == 2 && settings.damping == 0.01)
    let joint = try Recipe(
      value.setting("reconstruction.blocks.activations", ["learning_rate": 0.001, "drop": 0.5]), file: "b.yaml")
    #expect(joint.scaled(to: .fast).recipe.weights?.rounding == .nearest)
    #expect(joint.scaled(to: .fast).recipe.reconstruction?.blocks?.iterations == 10)
  }
}
