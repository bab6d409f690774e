import Tensors

/// Words of random bits from a seed: SplitMix64 (Steele et al. 2014).
private struct RandomWords {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  @inline(__always) mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z &>> 31)
  }
}

/// Fair coins for QDrop's mixed inputs, a bit per coin.
struct CoinFlips {
  private var words: RandomWords

  init(_ seed: UInt64) { words = RandomWords(seed) }

  /// Replaces about half of the values of `target` by those of `other`.
  mutating func mix(_ other: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, count: Int) {
    var i = 0
    while i < count {
      var word = words.next()
      let end = min(i + 64, count)
      while i < end {
        if word & 1 == 1 { target[i] = other[i] }
        word &>>= 1
        i += 1
      }
    }
  }
}

/// Which elements QDrop lets pass unquantised: a draw of 16 bits per element, in order. The seed belongs to the iteration,
/// the site and the sample, so that neither threads nor places in a batch change a draw.
struct DropDraws {
  private var words: RandomWords
  private var word: UInt64 = 0
  private var left = 0
  private let threshold: UInt64

  /// - Parameter share: of the elements, in 65536ths.
  init(_ seed: UInt64, share: Double) {
    words = RandomWords(seed)
    threshold = UInt64((share * 65536).rounded())
  }

  /// Whether the next element passes.
  @inline(__always) mutating func next() -> Bool {
    if threshold == 0 { return false }
    if left == 0 {
      word = words.next()
      left = 4
    }
    defer {
      word &>>= 16
      left &-= 1
    }
    return word & 0xffff < threshold
  }
}

/// Seeds of the draws of dropping: one Philox block per iteration, sample and site of a region.
struct DropSeeds {
  private let source: NoiseSource
  private let purpose: Int
  private let sites: Int

  /// - Parameter purpose: the region's.
  init(seed: UInt64, purpose: Int, sites: Int) {
    source = NoiseSource(seed: seed, stream: .recipe)
    self.purpose = purpose
    self.sites = sites
  }

  /// - Parameter iteration: from 1; 0 is `RecipeRandom`'s.
  func seed(_ iteration: Int, sample: Int, site: Int) -> UInt64 {
    let words = source.words(
      image: purpose, draw: UInt32(truncatingIfNeeded: iteration),
      block: UInt32(truncatingIfNeeded: sample * sites + site))
    return UInt64(words[1]) << 32 | UInt64(words[0])
  }
}
