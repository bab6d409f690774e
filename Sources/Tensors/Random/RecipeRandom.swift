/// Random draws that a quantisation recipe makes (which timesteps, which samples), from the recipe stream: a sequence that
/// depends on (seed, purpose) alone. Different purposes of one recipe draw from disjoint sequences.
package struct RecipeRandom: Sendable {
  private let source: NoiseSource
  private let purpose: Int
  /// Draws so far; a sequence goes on from where it is set.
  package var drawn: UInt32 = 0

  /// - Precondition: `purpose` lies in 0..<2^60.
  package init(seed: UInt64, purpose: Int) {
    precondition((0..<NoiseSource.indexLimit).contains(purpose))
    source = NoiseSource(seed: seed, stream: .recipe)
    self.purpose = purpose
  }

  private mutating func block() -> SIMD4<UInt32> {
    defer { drawn += 1 }
    return source.words(image: purpose, draw: 0, block: drawn)
  }

  /// Uniform in [0, 1): the upper 53 of one block's first 64 bits.
  package mutating func uniform() -> Double {
    let words = block()
    return Double((UInt64(words[1]) << 32 | UInt64(words[0])) >> 11) * 0x1p-53
  }

  /// Standard normal: the first of one block's four.
  package mutating func normal() -> Double { boxMuller(block())[0] }
}
