import CKernels
import KernelsBase
import Platform

#if arch(x86_64)
  import KernelsAMX
  import KernelsAVX2
  import KernelsAVX512BF16
  import KernelsAVX512VNNI
  import KernelsAVXVNNI
#endif

/// An instruction set the kernels are compiled for; raw values are those of HALFTONE_ISA.
package enum InstructionSet: String, Sendable, CaseIterable {
  case base
  case avx2
  case avxvnni
  case avx512vnni
  /// AVX-512 with matrix registers for bytes and bfloat16.
  case amx

  /// The place among all, which its table of kernels carries.
  fileprivate var place: Int32 { Int32(Self.allCases.firstIndex(of: self) ?? 0) }

  /// How its integer kernel reads weights.
  package var integerLayout: IntegerLayout {
    switch self {
    case .base, .avxvnni: IntegerLayout(columnWidth: 16, gathersPairs: false)
    case .avx2: IntegerLayout(columnWidth: 16, gathersPairs: true)
    case .avx512vnni, .amx: IntegerLayout(columnWidth: 32, gathersPairs: false)
    }
  }
}

/// The order of packed integer weights, and whether they are cut for sums of pairs in 16 bits (`GatheredColumns`).
package struct IntegerLayout: Hashable, Sendable {
  /// Output channels of a column, two vectors of sums: 16 or 32.
  package let columnWidth: Int
  package let gathersPairs: Bool

  package init(columnWidth: Int, gathersPairs: Bool) {
    self.columnWidth = columnWidth
    self.gathersPairs = gathersPairs
  }

  /// Bytes of so many packed weights at the most. What is cut off them may take as many again: columns with more are left whole.
  package func mostBytes(weights: Int) -> Int { gathersPairs ? MemoryBudget.product(2, weights) : weights }
}

/// The compute kernels of one instruction set, as the header of CKernels lists them. A value that is handed down, so that one
/// process can run them all.
package typealias KernelTable = ht_kernels

extension KernelTable {
  package var instructionSet: InstructionSet { InstructionSet.allCases[Int(set)] }
  package var name: String { instructionSet.rawValue }

  /// Runs on any processor, lane by lane without a fused multiply-add unit: for correctness, not for speed.
  package static let base = KernelsBase.kernelTable(set: InstructionSet.base.place)

  #if arch(x86_64)
    /// nil where the processor lacks it, as below.
    package static let avx2 = ht_has_avx2() == 0 ? nil : KernelsAVX2.kernelTable(set: InstructionSet.avx2.place)

    package static let avxvnni =
      ht_has_avxvnni() == 0 ? nil : KernelsAVXVNNI.kernelTable(set: InstructionSet.avxvnni.place)

    package static let avx512vnni: KernelTable? = {
      guard ht_has_avx512vnni() != 0 else { return nil }
      var table = KernelsAVX512VNNI.kernelTable(set: InstructionSet.avx512vnni.place)
      if ht_has_avx512bf16() != 0 { table.convolveBF16 = { KernelsAVX512BF16.convolveBF16($0) } }
      return table
    }()

    /// Everything but products of integers and of bfloat16 is AVX-512's.
    package static let amx: KernelTable? = {
      guard ht_has_amx() != 0, var table = avx512vnni else { return nil }
      table.set = InstructionSet.amx.place
      table.convolveU8S8 = { if !KernelsAMX.convolveU8S8($0) { KernelsAVX512VNNI.convolveU8S8($0) } }
      table.convolveBF16 = { KernelsAMX.convolveBF16($0) }
      return table
    }()
  #else
    package static let avx2: KernelTable? = nil
    package static let avxvnni: KernelTable? = nil
    package static let avx512vnni: KernelTable? = nil
    package static let amx: KernelTable? = nil
  #endif

  /// Those that run here, slowest first.
  package static func available() -> [KernelTable] { [base, avx2, avxvnni, avx512vnni, amx].compactMap { $0 } }

  /// The table that HALFTONE_ISA names, else the fastest that runs here. A wrong value is `selected()`'s to report, once,
  /// when a program starts.
  package static let best = (try? selected()) ?? fastest

  private static let fastest = amx ?? avx512vnni ?? avxvnni ?? avx2 ?? base

  /// The table that HALFTONE_ISA names, or the fastest.
  /// - Throws: `KernelError` when the name is unknown or not available here.
  package static func selected() throws(KernelError) -> KernelTable {
    try named(getenv("HALFTONE_ISA").map { String(cString: $0) } ?? "")
  }

  /// - Parameter name: a value of HALFTONE_ISA; empty stands for unset.
  package static func named(_ name: String) throws(KernelError) -> KernelTable {
    if name.isEmpty { return fastest }
    guard let wanted = InstructionSet(rawValue: name) else {
      throw .unknownInstructionSet(name, known: InstructionSet.allCases.map(\.rawValue))
    }
    guard let table = available().first(where: { $0.instructionSet == wanted }) else {
      throw .unavailableInstructionSet(name, available: available().map(\.name))
    }
    return table
  }
}
