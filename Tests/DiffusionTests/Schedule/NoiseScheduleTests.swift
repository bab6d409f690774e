import Diffusion
import Tensors
import Testing

@Suite("Noise schedules")
struct NoiseScheduleTests {
  /// alphaBar computed in float64 with numpy from the definitions. The sums of logarithms run over up to 4000 terms, so
  /// 4000 units in the last place bound the difference.
  static let vectors: [(schedule: BetaSchedule, values: [Int: Double])] = [
    (
      BetaSchedule(),
      [
        0: 0.9999, 1: 0.9997800920720721, 2: 0.9996402829841216, 99: 0.89701814567496, 499: 0.07858724288177824,
        799: 0.001532089549647948, 800: 0.0015075210597816765, 999: 4.035829765375676e-05,
      ]
    ),
    (
      BetaSchedule(curve: .scaledLinear, start: 0.0015, end: 0.0195),
      [
        0: 0.9985, 1: 0.996994427069975, 500: 0.11492200085532281, 996: 0.00015095127102100354,
        999: 0.00014230397519201791,
      ]
    ),
    (
      BetaSchedule(curve: .scaledLinear, start: 0.0015, end: 0.0155),
      [1: 0.9969956023143622, 500: 0.1500700509422162, 996: 0.0007007018570036352, 999: 0.0006686651737398004]
    ),
    (
      BetaSchedule(curve: .scaledLinear, start: 0.00085, end: 0.012),
      [
        0: 0.99915, 1: 0.9982960278384514, 500: 0.2763326838229746, 996: 0.004831711885486389,
        999: 0.004660098513077238,
      ]
    ),
    (
      BetaSchedule(trainTimesteps: 4000, curve: .cosine),
      [0: 0.9999901341811863, 1000: 0.8467314331278845, 2000: 0.49345397967426397, 3999: 1.5179804688514517e-10]
    ),
  ]

  @Test("alphaBar of published schedules", arguments: vectors.indices)
  func publishedValues(index: Int) throws {
    let (definition, values) = Self.vectors[index]
    let schedule = try NoiseSchedule(definition)
    #expect(schedule.trainTimesteps == definition.trainTimesteps)
    for (timestep, expected) in values.sorted(by: { $0.key < $1.key }) {
      let found = schedule.alphaBar(at: Timestep(timestep))
      #expect(abs(found - expected) <= 4000 * Double.ulpOfOne * expected, "t = \(timestep)")
    }
  }

  @Test("the logistic curve runs from near start to near end, symmetric about its middle")
  func sigmoid() throws {
    let betas = try NoiseSchedule(BetaSchedule(trainTimesteps: 101, curve: .sigmoid, start: 0.001, end: 0.021)).betas
    // 1 / (1 + e^6) and 1/2 of the way.
    #expect(abs(betas[0] - (0.001 + 0.02 * 0.0024726231566347743)) < 1e-15)
    #expect(abs(betas[50] - 0.011) < 1e-15)
    for i in 0..<50 { #expect(abs(betas[i] + betas[100 - i] - 0.022) < 1e-15) }
  }

  @Test("given betas are used as they are")
  func trainedBetas() throws {
    let schedule = try NoiseSchedule(BetaSchedule(trainTimesteps: 2, trainedBetas: [0.25, 0.5]))
    #expect(schedule.betas == [0.25, 0.5])
    #expect(schedule.alphaBar == [0.75, 0.375])
  }

  /// Lin et al. 2024: the first sqrt(alphaBar) stays, the last becomes 0, the others keep their proportions.
  @Test("rescaling to zero terminal signal")
  func zeroSNR() throws {
    let plain = try NoiseSchedule(BetaSchedule())
    let rescaled = try NoiseSchedule(BetaSchedule(rescaleToZeroSNR: true))
    #expect(rescaled.alphaBar[999] == 0)
    #expect(rescaled.betas[999] == 1)
    #expect(abs(rescaled.alphaBar[0] - plain.alphaBar[0]) < 1e-15)
    let (first, last) = (plain.alphaBar[0].squareRoot(), plain.alphaBar[999].squareRoot())
    for t in [1, 500, 998] {
      let expected = (plain.alphaBar[t].squareRoot() - last) * first / (first - last)
      #expect(abs(rescaled.alphaBar[t].squareRoot() - expected) < 1e-15)
    }
  }

  @Test("q(x_t | x_0) mixes each image at its own timestep")
  func qSample() throws {
    let schedule = try NoiseSchedule(BetaSchedule(trainTimesteps: 2, trainedBetas: [0.75, 0.9375]))
    // alphaBar = 1/4 and 1/64: weights 1/2 and sqrt(3)/2, 1/8 and sqrt(63)/8.
    let x0 = Tensor([2, 1, 1, 2], [1, -2, 4, 8])
    let noise = Tensor([2, 1, 1, 2], [2, 0, 8, 0])
    let mixed = schedule.qSample(x0, timesteps: [Timestep(0), Timestep(1)], noise: noise)
    #expect(mixed.dims == x0.dims)
    #expect(mixed.values == [Float(0.5 + 3.0.squareRoot()), -1, Float(0.5 + 63.0.squareRoot()), 1])
  }

  @Test("what makes no schedule is refused, all of it at once")
  func refusals() {
    #expect(
      throws: DiffusionError.schedule([
        "beta_start: expected a variance above 0 and below 1, found 0.0",
        "beta_end: expected a variance above 0 and below 1, found nan",
      ])
    ) { try NoiseSchedule(BetaSchedule(start: 0, end: .nan)) }
    #expect(
      throws: DiffusionError.schedule([
        "trained_betas: expected 3 values (num_train_timesteps), found 2",
        "trained_betas[1]: expected a variance above 0 and below 1, found 1.0",
      ])
    ) { try NoiseSchedule(BetaSchedule(trainTimesteps: 3, trainedBetas: [0.1, 1])) }
    #expect(
      throws: DiffusionError.schedule([
        "rescale_betas_zero_snr: needs at least 2 training timesteps, found 1"
      ])
    ) { try NoiseSchedule(BetaSchedule(trainTimesteps: 1, rescaleToZeroSNR: true)) }
    for count in [0, 100_001] {
      #expect(
        throws: DiffusionError.schedule(["num_train_timesteps: expected an integer from 1 to 100000, found \(count)"])
      ) { try NoiseSchedule(BetaSchedule(trainTimesteps: count)) }
    }
  }

  @Test("one timestep is a schedule, and so are 100,000")
  func extremes() throws {
    #expect(try NoiseSchedule(BetaSchedule(trainTimesteps: 1)).alphaBar == [0.9999])
    for curve in BetaCurve.allCases {
      let schedule = try NoiseSchedule(BetaSchedule(trainTimesteps: 100_000, curve: curve))
      #expect(schedule.alphaBar.allSatisfy { $0 >= 0 && $0 < 1 })
    }
  }
}
