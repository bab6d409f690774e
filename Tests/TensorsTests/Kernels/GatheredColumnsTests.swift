import CKernels
import Tensors
import TestSupport
import Testing

/// Weights cut for sums of pairs in 16 bits.
@Suite struct GatheredColumnsTests {
  static let (outputs, inputs, taps) = (40, 70, 9)

  /// The packed weights and the whole ones, [column][tap][group][16][4].
  func cut(_ spread: WeightSpread) throws -> (cut: PackedWeights, whole: PackedWeights) {
    var random = SplitMix64(11)
    let weights = spread.weights(Self.outputs * Self.inputs * Self.taps, &random)
    func packed(_ gathers: Bool) throws -> PackedWeights {
      try .integer(
        weights, outputChannels: Self.outputs, inputChannels: Self.inputs, taps: Self.taps,
        layout: IntegerLayout(columnWidth: GatheredColumns.width, gathersPairs: gathers))
    }
    return try (packed(true), packed(false))
  }

  func bytes(_ weights: PackedWeights) -> [Int] {
    (0..<weights.buffer.byteCount).map { Int(Int8(bitPattern: weights.buffer.span[$0])) }
  }

  /// What the kernel adds up: the cut weights and the entries, whose sums must be the weights. Nothing that is added in 16 bits
  /// may leave them, whatever the codes are.
  @Test(arguments: WeightSpread.allCases) func cutWeightsAreWholeTogetherAndKeepWithinTheirReach(spread: WeightSpread)
    throws
  {
    let (cut, whole) = try cut(spread)
    let gathered = try #require(cut.gathered)
    var arguments = ht_convolution()
    cut.set(in: &arguments)
    var sum = bytes(cut)
    let groups = cut.inputChannels / 4
    let entries = arguments.excess_weights.assumingMemoryBound(to: Int8.self)
    for (column, gather) in gathered.gathers.enumerated() {
      let description = arguments.gathered_columns[column]
      #expect(Int(description.gather) == gather)
      let first = column * Self.taps * groups
      if gather > 0 {
        for tap in 0..<Self.taps {
          for begin in stride(from: 0, to: groups, by: gather) {
            let run = (begin..<min(begin + gather, groups)).map { 64 * (first + tap * groups + $0) }
            for pair in 0..<32 {
              let values = run.flatMap { [sum[$0 + 2 * pair], sum[$0 + 2 * pair + 1]] }
              #expect(values.reduce(0) { $0 + max($1, 0) } <= 128 && values.reduce(0) { $0 + min($1, 0) } >= -128)
            }
          }
        }
      }
      for entry in Int(description.low_begin)..<Int(description.end) {
        let (tap, input) = (Int(arguments.excess_places[2 * entry]), Int(arguments.excess_places[2 * entry + 1]))
        let values = (0..<32).map { Int(entries[32 * entry + $0]) }
        #expect(input % 4 == 0 && values.contains { $0 != 0 })
        for pair in stride(from: 0, to: 32, by: 2) {
          let two = values[pair...(pair + 1)]
          #expect(two.reduce(0) { $0 + max($1, 0) } <= 128 && two.reduce(0) { $0 + min($1, 0) } >= -128)
        }
        let half = entry < Int(description.high_begin) ? 0 : 32
        for position in 0..<32 {
          sum[64 * (first + tap * groups + input / 4) + half + position] += values[position]
        }
      }
    }
    #expect(sum == bytes(whole))
  }

  /// The first two columns are whole; the others have absent channels.
  @Test func smallWeightsGatherMoreAndLargeOnesStayWhole() throws {
    func gathers(_ spread: WeightSpread) throws -> [Int] {
      Array(try #require(cut(spread).cut.gathered).gathers.prefix(2))
    }
    #expect(try gathers(.anyByte).allSatisfy { $0 <= 1 })
    #expect(try gathers(.bell8).allSatisfy { $0 == 1 })
    #expect(try gathers(.bell7).allSatisfy { (1...4).contains($0) })
    #expect(try gathers(.bell4).allSatisfy { $0 >= 8 })
    #expect(try cut(.bell4).cut.gathered?.entries == 0)
  }

  /// One far weight concerns its own group alone.
  @Test func aFarWeightSlowsNoColumn() throws {
    var weights = [Int8](repeating: 3, count: 32 * 64)
    weights[5 * 64 + 9] = -128
    let layout = IntegerLayout(columnWidth: GatheredColumns.width, gathersPairs: true)
    let packed = try PackedWeights.integer(weights, outputChannels: 32, inputChannels: 64, taps: 1, layout: layout)
    #expect(packed.gathered?.gathers == [16, 16] && packed.gathered?.entries == 0)
    weights[5 * 64 + 8] = -10
    let far = try PackedWeights.integer(weights, outputChannels: 32, inputChannels: 64, taps: 1, layout: layout)
    #expect(far.gathered?.gathers == [16, 16] && far.gathered?.entries == 1)
  }
}
