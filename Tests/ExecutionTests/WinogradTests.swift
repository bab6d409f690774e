import Execution
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct WinogradTests {
  /// Networks with layers that are eligible: whole vectors of channels, at least 64 pixels.
  static let cases: [ExecutorCase] = [
    ExecutorCase("whole tiles", channels: 16, height: 16, width: 16) { g, image in g.conv2d("conv", image, out: 32) },
    ExecutorCase("tiles past both edges", channels: 48, height: 14, width: 17) { g, image in
      g.conv2d("conv", image, out: 64)
    },
    ExecutorCase("residual block, wide", channels: 32, height: 18, width: 13) { g, image in
      let temb = ExecutorCase.temporal(&g, width: 8)
      let x = image
      var h = g.conv2d("conv1", g.activation("act1", g.groupNorm("norm1", x, groups: 4, epsilon: 1e-5), .silu), out: 32)
      h = g.addPerChannel("add_time", h, g.linear("time", temb, out: 32))
      h = g.conv2d("conv2", g.activation("act2", g.groupNorm("norm2", h, groups: 4, epsilon: 1e-5), .silu), out: 32)
      return g.add("sum", x, h)
    },
    ExecutorCase("two sources, doubled", channels: 16, height: 8, width: 8) { g, image in
      let joined = g.concatenate("joined", g.conv2d("a", image, out: 16), image)
      return g.conv2d("conv", g.upsampleNearest("up", joined), out: 32)
    },
    ExecutorCase("no padding", channels: 16, height: 17, width: 12) { g, image in
      g.conv2d("conv", image, out: 32, padding: .init(leading: 0, trailing: 0))
    },
    ExecutorCase("padded on one side", channels: 32, height: 18, width: 18) { g, image in
      g.conv2d("conv", image, out: 32, padding: .init(leading: 0, trailing: 2))
    },
  ]

  private func calls(_ example: ExecutorCase) throws -> Int {
    let profile = ExecutionProfile()
    _ = try FloatExecutor(example.model, winograd: true, profile: profile).run(example.input)
    return profile.byTime.filter { $0.work.hasSuffix("Winograd") }.reduce(0) { $0 + $1.calls } / 2
  }

  @Test(arguments: zip(cases, [1, 1, 2, 1, 1, 1])) func eligibleLayersAreTransformed(
    _ example: ExecutorCase, layers: Int
  )
    throws
  {
    #expect(try calls(example) == layers)
  }

  @Test func layersThatWouldNotGainAreNot() throws {
    let others = [
      ExecutorCase("few pixels", channels: 32, height: 7, width: 9) { g, image in g.conv2d("conv", image, out: 32) },
      ExecutorCase("odd inputs", channels: 24, height: 16, width: 16) { g, image in g.conv2d("conv", image, out: 32) },
      ExecutorCase("odd outputs", channels: 32, height: 16, width: 16) { g, image in g.conv2d("conv", image, out: 40) },
      ExecutorCase("stride 2", channels: 32, height: 32, width: 32) { g, image in
        g.conv2d("conv", image, out: 32, stride: 2)
      },
    ]
    for example in others {
      #expect(try calls(example) == 0, "\(example.name)")
      let direct = try FloatExecutor(example.model).run(example.input)
      #expect(try FloatExecutor(example.model, winograd: true).run(example.input) == direct, "\(example.name)")
    }
  }

  @Test(arguments: cases) func roundingErrorsAreAFewDecibelsAboveDirect(_ example: ExecutorCase) throws {
    let expected = try ReferenceExecutor(example.model).run(example.input)
    func decibels(_ found: Tensor) -> Double {
      let pairs = zip(found.values, expected.values)
      let error = pairs.reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
      return 10 * log10(expected.values.reduce(0.0) { $0 + Double($1) * Double($1) } / error)
    }
    let direct = try decibels(FloatExecutor(example.model).run(example.input))
    let transformed = try decibels(FloatExecutor(example.model, winograd: true).run(example.input))
    // Errors grow by the transforms' norms: 4 dB on white noise at these points (11 dB at 0, ±1, ±2, which this refuses),
    // a few more where few channels leave the direct sum short.
    #expect(transformed > direct - 9, "\(example.name): \(transformed) dB, direct \(direct) dB")
    #expect(transformed > 115, "\(example.name): \(transformed) dB")
  }

  @Test(arguments: cases) func instructionSetsThreadsAndBatchesGiveTheSameBits(_ example: ExecutorCase) throws {
    let expected = try FloatExecutor(example.model, winograd: true, pool: WorkerPool(threads: 1), kernels: .base)
      .run(example.input)
    for kernels in KernelTable.available() {
      for threads in [1, 2, 5] {
        let executor = try FloatExecutor(
          example.model, winograd: true, pool: WorkerPool(threads: threads), kernels: kernels)
        #expect(try executor.run(example.input) == expected, "\(kernels.name), \(threads) threads")
        let single = NetworkInput(x: example.input.x.rows(1..<2), timesteps: [example.input.timesteps[1]])
        #expect(try executor.run(single) == expected.rows(1..<2), "\(kernels.name), \(threads) threads, alone")
      }
    }
  }
}
