/// Fair coins for QDrop's masks: SplitMix64 (Steele et al. 2014) in counter form, a bit per coin.
struct CoinFlips {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  private mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z &>> 31)
  }

  /// Replaces about half of the values of `target` by those of `other`.
  mutating func mix(_ other: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, count: Int) {
    var i = 0
    while i < count {
      var word = bits()
      let end = min(i + 64, count)
      while i < end {
        if word & 1 == 1 { target[i] = other[i] }
        word &>>= 1
        i += 1
      }
    }
  }
}
