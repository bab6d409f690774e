import Tensors
import TestSupport

extension SplitMix64 {
  /// Uniform in -scale...scale.
  mutating func floats(_ count: Int, scale: Float) -> [Float] { floats(count).map { $0 * scale } }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
  mutating func signedBytes(_ count: Int) -> [Int8] { (0..<count).map { _ in Int8(truncatingIfNeeded: next()) } }
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

/// The same with one pattern for every NaN: which payload and sign survive an operation is the processor's choice.
func canonicalBitPatterns(_ values: [Float]) -> [UInt32] { values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }

/// Where two arrays first differ, in words; nil when they are equal. Keeps a failure's report short.
func firstDifference<T: Equatable>(_ found: [T], _ expected: [T]) -> String? {
  guard found.count == expected.count else { return "\(found.count) values, expected \(expected.count)" }
  return found.indices.first { found[$0] != expected[$0] }.map { "[\($0)] is \(found[$0]), expected \(expected[$0])" }
}
