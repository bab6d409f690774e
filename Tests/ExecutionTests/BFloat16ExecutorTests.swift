import Execution
import Foundation
import Graphs
import Tensors
import TestSupport
import Testing

@Suite struct BFloat16ExecutorTests {
  static let isHere = KernelTable.best.convolveBF16 != nil

  /// Wide enough that layers are computed in bfloat16.
  static let cases =
    [
      ExecutorCase("residual block, wide", channels: 32, height: 9, width: 13) { g, image in
        let temb = ExecutorCase.temporal(&g, width: 8)
        var h = g.conv2d(
          "conv1", g.activation("act1", g.groupNorm("norm1", image, groups: 4, epsilon: 1e-5), .silu), out: 48)
        h = g.addPerChannel("add_time", h, g.linear("time", temb, out: 48))
        h = g.conv2d("conv2", g.activation("act2", g.groupNorm("norm2", h, groups: 4, epsilon: 1e-5), .silu), out: 32)
        return g.add("sum", image, h)
      },
      ExecutorCase("two sources, doubled, then stride 2", channels: 16, height: 6, width: 6) { g, image in
        let joined = g.concatenate("joined", g.conv2d("a", image, out: 24), image)
        return g.conv2d("back", g.conv2d("conv", g.upsampleNearest("up", joined), out: 32), out: 16, stride: 2)
      },
    ]
    + ExecutorCase.all.filter { example in
      let graph = example.model.graph
      // Attention whose layers have more than eight channels on both sides.
      return example.name.hasPrefix("attention")
        && graph.nodes.contains { graph.parameterDims(of: $0)?.prefix(2).allSatisfy { $0 > 8 && $0 % 2 == 0 } ?? false }
    }

  private func decibels(_ found: Tensor, _ expected: Tensor) -> Double {
    let error = zip(found.values, expected.values).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return 10 * log10(expected.values.reduce(0.0) { $0 + Double($1) * Double($1) } / error)
  }

  @Test(.enabled(if: isHere, "no AVX512-BF16 here"), arguments: cases)
  func errorsAreThoseOfEightBitsOfSignificand(_ example: ExecutorCase) throws {
    let expected = try ReferenceExecutor(example.model).run(example.input)
    let executor = try BFloat16Executor(example.model)
    let profile = ExecutionProfile()
    let found = try BFloat16Executor(example.model, profile: profile).run(example.input)
    #expect(profile.byTime.contains { $0.work.hasSuffix("bfloat16") }, "\(profile.byTime.map(\.work))")
    // Rounding an operand leaves an error of 2^-9 / sqrt(3) of it at the most, -59 dB; two operands in each of at most six layers
    // with few terms, and normalisations that enlarge: 40 dB. Without any rounding there would be more than 110 dB.
    let measured = decibels(found, expected)
    #expect(measured > 40 && measured < 75, "\(measured) dB")
    #expect(try executor.run(example.input) == found)
    let direct = try FloatExecutor(example.model)
    #expect(executor.weightBytes < direct.weightBytes)
  }

  @Test(.enabled(if: isHere, "no AVX512-BF16 here"), arguments: cases)
  func threadsAndBatchesGiveTheSameBits(_ example: ExecutorCase) throws {
    let expected = try BFloat16Executor(example.model, pool: WorkerPool(threads: 1)).run(example.input)
    for threads in [2, 5] {
      let executor = try BFloat16Executor(example.model, pool: WorkerPool(threads: threads))
      #expect(try executor.run(example.input) == expected, "\(threads) threads")
      let single = NetworkInput(
        x: example.input.x.rows(1..<2), timesteps: [example.input.timesteps[1]],
        conditioning: Array(example.input.conditioning[1..<2]))
      #expect(try executor.run(single) == expected.rows(1..<2), "\(threads) threads, alone")
    }
  }

  /// Layers with few or an odd number of channels stay in Float, and a network of nothing else has Float's bits.
  @Test(.enabled(if: isHere, "no AVX512-BF16 here")) func narrowLayersStayInFloat() throws {
    let example = ExecutorCase("narrow", channels: 3, height: 5, width: 7) { g, image in
      g.conv2d("out", g.conv2d("odd", g.conv2d("in", image, out: 15), out: 8), out: 3)
    }
    #expect(try BFloat16Executor(example.model).run(example.input) == FloatExecutor(example.model).run(example.input))
  }

  @Test(.enabled(if: isHere, "no AVX512-BF16 here")) func quantisedActivationsAreRefused() throws {
    let example = Self.cases[0]
    let table = try TableMaker.table(for: example, weightBits: 8)
    let error = #expect(throws: ExecutionError.self) { try BFloat16Executor(example.model, table: table) }
    #expect(
      error?.message == "conv1:input: quantised activations have no use for bfloat16", "\(error?.message ?? "no error")"
    )
    var weights = table
    weights.activations = [:]
    // Of weights alone, the values that codes stand for are rounded.
    let simulated = try FloatExecutor(example.model, simulating: weights).run(example.input)
    #expect(decibels(try BFloat16Executor(example.model, table: weights).run(example.input), simulated) > 40)
  }

  @Test func kernelsWithoutTheProductsAreRefused() {
    let error = #expect(throws: KernelError.self) { try BFloat16Executor(Self.cases[0].model, kernels: .base) }
    #expect(
      error?.description == """
        error[E-ISA]: '--executor bf16' needs a processor with AVX512-BF16; what runs here are the kernels for base
        hint: leave --executor out to take the fastest that runs here
        """)
  }
}
