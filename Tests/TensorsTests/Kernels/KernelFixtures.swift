import Tensors

/// Repeatable values (SplitMix64, Steele et al. 2014).
struct TestRandom {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in -1..<1.
  mutating func float() -> Float { Float(bits() >> 40) * 0x1p-23 - 1 }
  mutating func floats(_ count: Int, scale: Float = 1) -> [Float] { (0..<count).map { _ in scale * float() } }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: bits()) } }
  mutating func signedBytes(_ count: Int) -> [Int8] { (0..<count).map { _ in Int8(truncatingIfNeeded: bits()) } }
}

/// Every kernel table that can run here; says which are missing, once.
let kernelTables: [KernelTable] = {
  let available = KernelTable.available()
  let missing = InstructionSet.allCases.filter { set in !available.contains { $0.instructionSet == set } }
  if !missing.isEmpty {
    print(
      "SKIPPED: this processor has no \(missing.map(\.rawValue).joined(separator: ", ")); those kernels are untested")
  }
  return available
}()

/// Equality of bits, so that NaN equals itself and -0 differs from 0.
func bitPatterns(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
