import Diffusion
import Tensors
import Testing

@Suite("Timesteps of samplers")
struct TimestepSelectionTests {
  func timesteps(_ steps: Int, _ spacing: TimestepSpacing, of total: Int = 1000, offset: Int = 0) throws -> [Int] {
    try TimestepSelection(steps: steps, spacing: spacing, offset: offset).steps(trainTimesteps: total)
      .map { Int($0.timestep.value) }
  }

  @Test("lists worked by hand and by numpy")
  func lists() throws {
    #expect(try timesteps(5, .leading) == [800, 600, 400, 200, 0])
    #expect(try timesteps(5, .leading, offset: 1) == [801, 601, 401, 201, 1])
    #expect(try timesteps(7, .trailing) == [999, 856, 713, 570, 428, 285, 142])
    #expect(try timesteps(7, .linspace) == [999, 832, 666, 500, 333, 166, 0])
    // Ties go to even: 1000 - 62.5 = 937.5 is 938, 812.5 is 812.
    #expect(try timesteps(16, .trailing)[1...3] == [937, 874, 811])
    #expect(try timesteps(4, .uniform, of: 10) == [8, 6, 4, 2, 0])
    #expect(try timesteps(4, .uniform, of: 10, offset: 1) == [9, 7, 5, 3, 1])
  }

  @Test("uniform takes more steps than asked for when S does not divide T; leading never does")
  func uniformCount() throws {
    let uniform = try timesteps(30, .uniform)
    #expect(uniform.count == 31)
    #expect(uniform.first == 990)
    let leading = try timesteps(30, .leading)
    #expect(leading.count == 30)
    #expect(leading == Array(uniform.dropFirst()))
  }

  /// The list of the DDIM results on CIFAR-10, as numpy gives it: 96 distinct timesteps.
  @Test("quadratic spacing with 100 steps")
  func quadratic() throws {
    let expected = [
      800, 783, 768, 752, 736, 721, 705, 690, 675, 661, 646, 632, 617, 603, 589, 575, 562, 548, 535, 522, 509, 496, 483,
      471, 459, 446, 434, 423, 411, 399, 388, 377, 366, 355, 344, 334, 323, 313, 303, 293, 284, 274, 265, 255, 246, 238,
      229, 220, 212, 204, 195, 188, 180, 172, 165, 158, 150, 143, 137, 130, 124, 117, 111, 105, 99, 94, 88, 83, 78, 73,
      68, 63, 59, 55, 51, 47, 43, 39, 35, 32, 29, 26, 23, 20, 18, 15, 13, 11, 9, 8, 6, 5, 3, 2, 2, 1, 0, 0, 0, 0,
    ]
    #expect(try timesteps(100, .quadratic) == expected)
    #expect(Set(expected).count == 96)
  }

  /// Every list for S = 1 … T, folded into one number (h -> 1000003 h + t + 1 modulo 2^32). The expected numbers come from
  /// numpy's arange and linspace; trailing without the entry -1 that its arange adds for some S (61 of 1000, for one).
  @Test(
    "agrees with numpy for every S",
    arguments: [
      (1000, TimestepSpacing.leading, UInt32(0xdfa2_b6ed)), (1000, .trailing, 0xafc3_c084),
      (1000, .linspace, 0x7b7d_e011), (1000, .uniform, 0x33c7_70bd), (1000, .quadratic, 0xff63_2b1b),
      (37, .leading, 0x63b7_4a9f), (37, .trailing, 0xb4fd_70c4), (37, .linspace, 0x119a_3d0b),
      (37, .uniform, 0xcadb_766f), (37, .quadratic, 0xe141_885b),
    ])
  func everyCount(total: Int, spacing: TimestepSpacing, expected: UInt32) throws {
    var hash: UInt32 = 0
    for steps in 1...total {
      for timestep in try timesteps(steps, spacing, of: total) { hash = hash &* 1_000_003 &+ UInt32(timestep) &+ 1 }
    }
    #expect(hash == expected)
  }

  @Test("one step, and every step")
  func extremes() throws {
    #expect(try timesteps(1, .leading) == [0])
    #expect(try timesteps(1, .trailing) == [999])
    #expect(try timesteps(1, .linspace) == [0])
    #expect(try timesteps(1, .uniform) == [0])
    #expect(try timesteps(1, .quadratic) == [0])
    for spacing in [TimestepSpacing.leading, .trailing, .linspace, .uniform] {
      #expect(try timesteps(1000, spacing) == Array((0..<1000).reversed()))
      #expect(try timesteps(1, spacing, of: 1) == [0])
    }
  }

  @Test("indices count executed steps; a step leads to the next in the list, or by stride")
  func previous() throws {
    let list = try TimestepSelection(steps: 4, spacing: .linspace).steps(trainTimesteps: 1000)
    #expect(list.map(\.index) == [0, 1, 2, 3])
    #expect(list.map(\.previous) == [Timestep(666), Timestep(333), Timestep(0), nil])
    let stride = try TimestepSelection(steps: 4, spacing: .linspace, previous: .stride).steps(trainTimesteps: 1000)
    #expect(stride.map(\.timestep) == list.map(\.timestep))
    #expect(stride.map(\.previous) == [Timestep(749), Timestep(416), Timestep(83), nil])
    let trailing = try TimestepSelection(steps: 4, spacing: .trailing, previous: .stride).steps(trainTimesteps: 1000)
    #expect(trailing.map(\.previous) == [Timestep(749), Timestep(499), Timestep(249), nil])
  }

  @Test("more steps than timesteps are refused")
  func tooMany() {
    for spacing in TimestepSpacing.allCases {
      let error = #expect(throws: DiffusionError.self) { try timesteps(1001, spacing) }
      #expect(
        error?.description
          == """
          error[E-SAMPLER-STEPS]: steps: 1001 sampling steps, but the model has 1000 training timesteps
          hint: give at most 1000 steps (--steps 1000, or steps in the sampler's file)
          """)
    }
  }

  @Test("an offset that leaves the schedule is refused")
  func offsetTooLarge() {
    let error = #expect(throws: DiffusionError.self) { try timesteps(1000, .leading, offset: 1) }
    #expect(
      error?.description
        == """
        error[E-SAMPLER-TIMESTEP]: timestep 1000 (timestep_spacing leading, steps_offset 1) is outside the model's 0..<1000
        hint: lower steps_offset or the number of steps
        """)
  }
}
