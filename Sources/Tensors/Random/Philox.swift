/// Philox 4x32-10, a counter-based generator (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as
/// 1, 2, 3", section 4): a keyed bijection of 128-bit counters, so that any block can be drawn at any time, in any order.
package enum Philox4x32 {
  static let rounds = 10
  /// Round multipliers of the paper's table 2.
  static let multiplier0: UInt32 = 0xD251_1F53
  static let multiplier1: UInt32 = 0xCD9E_8D57
  /// Key increments ("bumps"): the golden ratio and the square root of 3 less 1, as 32-bit fractions.
  static let bump0: UInt32 = 0x9E37_79B9
  static let bump1: UInt32 = 0xBB67_AE85

  /// The four words at `counter` under `key`.
  package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (c0, c1, c2, c3) = (counter[0], counter[1], counter[2], counter[3])
    var (k0, k1) = (key[0], key[1])
    for _ in 0..<rounds {
      let product0 = multiplier0.multipliedFullWidth(by: c0)
      let product1 = multiplier1.multipliedFullWidth(by: c2)
      (c0, c1, c2, c3) = (product1.high ^ c1 ^ k0, product1.low, product0.high ^ c3 ^ k1, product0.low)
      k0 &+= bump0
      k1 &+= bump1
    }
    return SIMD4(c0, c1, c2, c3)
  }
}
