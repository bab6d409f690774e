import Foundation
import Tensors
import Testing

@Suite struct KernelTableTests {
  @Test func namesSelectTables() throws {
    for table in kernelTables { #expect(try KernelTable.named(table.name).instructionSet == table.instructionSet) }
    #expect(try KernelTable.named("").instructionSet == kernelTables.last?.instructionSet)
    #expect(kernelTables.first?.instructionSet == .base)
  }

  @Test func unknownNamesAreRefused() {
    let error = #expect(throws: KernelError.self) { try KernelTable.named("sse9") }
    #expect(
      error?.description == """
        error[E-ISA]: HALFTONE_ISA is "sse9", expected one of base, avx2, avxvnni, avx512vnni, amx
        hint: unset HALFTONE_ISA to use the fastest one available
        """)
    #expect(error?.exit == .usage)
  }

  @Test func unavailableSetsAreRefused() {
    let error = KernelError.unavailableInstructionSet("avx512vnni", available: ["base", "avx2"])
    #expect(error.message == "HALFTONE_ISA asks for avx512vnni, but here only base, avx2 can run")
    for set in InstructionSet.allCases where !kernelTables.contains(where: { $0.instructionSet == set }) {
      #expect(throws: KernelError.unavailableInstructionSet(set.rawValue, available: kernelTables.map(\.name))) {
        try KernelTable.named(set.rawValue)
      }
    }
  }

  /// Anything else they import could bring code compiled for one instruction set into another's callers.
  @Test func kernelSourcesImportOnlyTheirHeader() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let sources = root.appending(path: "Sources/Kernels")
    let files =
      FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?
      .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" } ?? []
    #expect(files.count > 5)
    for file in files {
      let imports = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter {
        $0.contains("import ") && !$0.hasPrefix("//")
      }
      #expect(imports == ["import CKernels"], "\(file.lastPathComponent)")
    }
    // The targets hold nothing but links into that folder.
    for target in [
      "KernelsBase", "KernelsAVX2", "KernelsAVXVNNI", "KernelsAVX512VNNI", "KernelsAVX512BF16", "KernelsAMX",
    ] {
      let folder = root.appending(path: "Sources/\(target)")
      for entry in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: folder.appending(path: entry).path)
        #expect(link == "../Kernels/\(entry)")
      }
    }
  }
}

@Suite struct PackedWeightsTests {
  let layout = IntegerLayout(columnWidth: 32, gathersPairs: false)

  /// 255 * 128 * 65,793 is the last product below 2^31.
  @Test func accumulatorsThatCouldOverflowAreRefused() throws {
    let most = [Int8](repeating: -128, count: 65_793)
    let weights = try PackedWeights.integer(most, outputChannels: 1, inputChannels: 65_793, taps: 1, layout: layout)
    #expect(weights.sums[0] == -8_421_504)
    #expect(weights.startValues(zeroPoint: 255)[0] == 2_147_483_520)
    let error = #expect(throws: KernelError.self) {
      try PackedWeights.integer(
        [Int8](repeating: 0, count: 65_794) + most + [-128], outputChannels: 2, inputChannels: 65_794, taps: 1,
        layout: layout)
    }
    #expect(
      error?.description == """
        error[E-ACCUMULATOR]: output channel 1 can sum to 2147516160 in integer arithmetic, more than the 2147483647 \
        that 32 bits hold
        hint: leave this layer in float
        """)
  }

  @Test func sumsAndPaddingCoverWholeBlocks() throws {
    let weights = try PackedWeights.integer(
      (0..<(3 * 5 * 2)).map { Int8($0) }, outputChannels: 3, inputChannels: 5, taps: 2, layout: layout)
    #expect(weights.inputChannels == 8 && weights.blocks == 1 && weights.sums.count == 32)
    #expect(Array(weights.sums.prefix(4)) == [45, 145, 245, 0])
    #expect(weights.startValues(zeroPoint: 2).prefix(4) == [-90, -290, -490, 0])
    // [column][tap][ic / 4][32][4]: output 1, tap 1, input 4.
    #expect(weights.buffer.span[((1 * 2 + 1) * 32 + 1) * 4 + 0] == UInt8(1 * 10 + 4 * 2 + 1))
  }

  @Test func buffersAreAlignedZeroedAndRefusedWhenHuge() throws {
    let buffer = try AlignedBuffer(byteCount: 1001)
    #expect(UInt(bitPattern: buffer.raw) % 64 == 0)
    #expect((0..<1001).allSatisfy { buffer.span[$0] == 0 })
    let error = #expect(throws: KernelError.self) { try AlignedBuffer(byteCount: Int.max / 2) }
    #expect(error?.id == "E-MEMORY" && error?.exit == .resource)
  }
}
