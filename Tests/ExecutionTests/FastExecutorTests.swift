import Diffusion
import Execution
import Graphs
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct FastExecutorTests {
  @Test(arguments: ExecutorCase.all)
  func floatAgreesWithTheReference(_ example: ExecutorCase) throws {
    let expected = try ReferenceExecutor(example.model).run(example.input)
    let found = try FloatExecutor(example.model).run(example.input)
    #expect(found.dims == expected.dims)
    // Float sums of a few hundred terms against Double ones: 2^-24 times the square root of the term count and the
    // depth stays below 3e-6.
    #expect(relativeError(found, expected) < 3e-6)
  }

  @Test(arguments: ExecutorCase.all)
  func instructionSetsThreadsAndBatchesGiveTheSameBits(_ example: ExecutorCase) throws {
    let expected = try FloatExecutor(example.model, pool: WorkerPool(threads: 1), kernels: .base).run(example.input)
    for kernels in KernelTable.available() {
      for threads in [1, 2, 5] {
        let executor = try FloatExecutor(example.model, pool: WorkerPool(threads: threads), kernels: kernels)
        #expect(try executor.run(example.input) == expected, "\(kernels.name), \(threads) threads")
        // One image alone is divided among the workers; in a batch each worker has whole images.
        let single = NetworkInput(
          x: example.input.x.rows(1..<2), timesteps: [example.input.timesteps[1]],
          conditioning: Array(example.input.conditioning[1..<2]))
        #expect(try executor.run(single) == expected.rows(1..<2), "\(kernels.name), \(threads) threads, alone")
      }
    }
  }

  @Test(arguments: ExecutorCase.all)
  func integersAgreeWithTheirSimulation(_ example: ExecutorCase) throws {
    let table = try TableMaker.table(for: example, weightBits: 8)
    let simulated = try FloatExecutor(example.model, simulating: table).run(example.input)
    let executor = try IntegerExecutor(example.model, table: table)
    let executed = try executor.run(example.input)
    #expect(executor.arithmetics.allSatisfy { $0.arithmetic == "integer" })
    // Sums are exact in integers and rounded in Float; a value within that rounding of a tie moves one code, one step
    // of 1/255 of a range, in one operand of many. Depth here is at most six contractions.
    #expect(relativeError(executed, simulated) < 4e-3)
    let reference = try ReferenceExecutor(example.model, simulating: table).run(example.input)
    #expect(relativeError(simulated, reference) < 4e-3)
    for kernels in KernelTable.available() {
      #expect(try IntegerExecutor(example.model, table: table, kernels: kernels).run(example.input) == executed)
    }
  }

  @Test func attentionProductsRunOnCodesWhereTheirTableAllows() throws {
    for example in ExecutorCase.all where example.name.hasPrefix("attention") {
      func works(_ table: QuantizationTable) throws -> Set<String> {
        let profile = ExecutionProfile()
        _ = try IntegerExecutor(example.model, table: table, profile: profile).run(example.input)
        return Set(profile.byTime.map(\.work).filter { $0.hasPrefix("attention") })
      }
      var table = try TableMaker.table(for: example, weightBits: 8)
      #expect(try works(table) == ["attention products, integer"], "\(example.name)")
      // Keys that are not symmetric are simulated.
      let keys = Site(node: "scores", role: .operand(1))
      table.activations[keys] = ActivationQuantizers(shared: AffineQuantizer(bits: 8, scale: 0.02, zeroPoint: 100))
      #expect(try works(table) == ["attention products, float", "attention products, integer"], "\(example.name)")
      table.activations[keys] = nil
      #expect(try works(table) == ["attention products, float", "attention products, integer"], "\(example.name)")
    }
  }

  @Test func layersThatReadTheSameCodesShareThem() throws {
    let example = try #require(ExecutorCase.all.first { $0.name.hasPrefix("attention") })
    func run(_ table: QuantizationTable) throws -> (Tensor, [String: Int]) {
      let profile = ExecutionProfile()
      var input = example.input
      input.stepIndex = 0
      let result = try IntegerExecutor(example.model, table: table, profile: profile).run(input)
      return (result, Dictionary(uniqueKeysWithValues: profile.byTime.map { ($0.work, $0.calls) }))
    }
    // Queries, keys and values read one normalisation; with equal quantisers its codes are written once for all three.
    let readers = ["q", "k", "v"].map { Site(node: $0, role: .input) }
    var table = try TableMaker.table(for: example, weightBits: 8)
    #expect(Set(readers.map { table.activations[$0]?.rows }).count == 1)
    let (shared, work) = try run(table)
    let images = example.input.x.dims[0]
    #expect(work["norm, quantise"] == images)
    #expect(work["norm, copy"] == nil)
    // The same grid under another key is not known to be equal: written for each.
    let rows = try #require(table.activations[readers[1]]?.rows)
    table.activations[readers[1]] = ActivationQuantizers(key: .step, rows: rows)
    let (apart, more) = try run(table)
    #expect(more["norm, quantise"] == nil)
    #expect(more["norm, copy"] == images)
    #expect(shared == apart)
  }

  @Test func oneIntegerLayerIsExact() throws {
    for example in ExecutorCase.all.prefix(5) {
      for bits in [8, 4] {
        let table = try TableMaker.table(for: example, weightBits: bits)
        let simulated = try ReferenceExecutor(example.model, simulating: table).run(example.input)
        let executed = try IntegerExecutor(example.model, table: table).run(example.input)
        // One layer: no code can differ, the integer sum is exact, two roundings follow (scale times sum, plus bias).
        #expect(relativeError(executed, simulated) < 4e-7, "\(example.name), \(bits) bits")
      }
    }
  }

  @Test func everythingLeftFloatIsBitIdentical() throws {
    for example in ExecutorCase.all {
      let float = try FloatExecutor(example.model).run(example.input)
      let integer = try IntegerExecutor(example.model, table: QuantizationTable()).run(example.input)
      #expect(integer == float, "\(example.name)")
    }
  }

  @Test func observersSeeEverySiteInOrderWithTheGraphsShapes() throws {
    for example in ExecutorCase.all {
      let fast = Mutex<[(Site, Tensor)]>([])
      let slow = Mutex<[(Site, Tensor)]>([])
      let observed = try FloatExecutor(
        example.model, observer: SiteObserver { site, value in fast.withLock { $0.append((site, value)) } })
      let reference = try ReferenceExecutor(
        example.model, observer: SiteObserver { site, value in slow.withLock { $0.append((site, value)) } })
      #expect(try observed.run(example.input) == FloatExecutor(example.model).run(example.input))
      _ = try reference.run(example.input)
      let (a, b) = (fast.withLock { $0 }, slow.withLock { $0.filter { $0.0.role != .weight && $0.0.role != .output } })
      let expected = example.model.graph.sites.filter { $0.role != .weight && $0.role != .output }
      #expect(Set(a.map(\.0)) == Set(expected), "\(example.name)")
      // Probabilities come head by head and in blocks of queries: the n-th report of a site by the one is the other's.
      var seen: [Site: Int] = [:]
      for (site, value) in a {
        let twins = b.filter { $0.0 == site }
        #expect(twins.count == a.count { $0.0 == site }, "\(example.name) \(site)")
        let position = seen[site, default: 0]
        seen[site] = position + 1
        guard position < twins.count else { continue }
        let twin = twins[position].1
        #expect(value.dims == twin.dims, "\(example.name) \(site)")
        if value.dims == twin.dims { #expect(relativeError(value, twin) < 3e-6, "\(example.name) \(site)") }
      }
    }
  }

  @Test func whatDependsOnAContextAloneHasNoRowsForSteps() throws {
    let example = try #require(ExecutorCase.all.first { $0.name == "attention to a context" })
    var table = QuantizationTable()
    let row = AffineQuantizer(bits: 8, scale: 0.1, zeroPoint: 3)
    table.activations[Site(node: "q", role: .input)] = ActivationQuantizers(key: .step, rows: [row, row])
    #expect(throws: Never.self) { try FloatExecutor(example.model, simulating: table) }
    table.activations[Site(node: "k", role: .input)] = ActivationQuantizers(key: .step, rows: [row, row])
    let refusal = ExecutionError.table(problems: [
      "k:input: one quantiser per sampling step or branch, but its values depend on the context alone"
    ])
    #expect(throws: refusal) { try FloatExecutor(example.model, simulating: table) }
    #expect(throws: refusal) { try ReferenceExecutor(example.model, simulating: table) }
  }

  @Test func stepsSelectTheRowsOfTheTable() throws {
    let example = ExecutorCase.all[0]
    let shared = try TableMaker.table(for: example, weightBits: 8)
    var stepwise = shared
    for (site, quantizers) in shared.activations {
      let row = quantizers.rows[0]
      let wide = AffineQuantizer(bits: 8, scale: row.scales[0] * 2, zeroPoint: row.zeroPoints[0])
      stepwise.activations[site] = ActivationQuantizers(key: .step, rows: [wide, row])
    }
    let executor = try IntegerExecutor(example.model, table: stepwise)
    var input = example.input
    input.stepIndex = 1
    #expect(try executor.run(input) == IntegerExecutor(example.model, table: shared).run(example.input))
    input.stepIndex = 0
    #expect(try executor.run(input) != IntegerExecutor(example.model, table: shared).run(example.input))
    input.stepIndex = 2
    #expect(throws: ExecutionError.stepOutOfRange(index: 2, count: 2)) { try executor.run(input) }
    input.stepIndex = nil
    #expect(throws: ExecutionError.stepMissing(site: "conv:input")) { try executor.run(input) }
  }

  @Test func whatIntegersCannotDoIsRefusedByName() throws {
    let example = ExecutorCase.all[0]
    var table = try TableMaker.table(for: example, weightBits: 8)
    let output = Site(node: "conv", role: .output)
    table.activations[output] = table.activations[Site(node: "conv", role: .input)]!
    #expect(
      throws: ExecutionError.unsupported(site: "conv:output", reason: "quantised outputs exist in simulation only")
    ) {
      try IntegerExecutor(example.model, table: table)
    }
    _ = try FloatExecutor(example.model, simulating: table).run(example.input)

    table.activations[output] = nil
    let weight = table.weights["conv"]!
    let quantizer = AffineQuantizer(bits: 8, granularity: .perTensor, scales: [0.01], zeroPoints: [0])
    var codes = weight.codes
    codes[5] = 200
    table.weights["conv"] = QuantizedWeight(dims: weight.dims, quantizer: quantizer, codes: codes)
    #expect {
      try IntegerExecutor(example.model, table: table)
    } throws: {
      "\($0)".contains("conv:weight") && "\($0)".contains("zero point 0 does not fit a signed byte")
    }
  }
}
