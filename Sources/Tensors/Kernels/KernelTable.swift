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

/// The compute kernels of one instruction set. A value that is handed down, so that one process can run them all.
///
/// Kernels check nothing: whoever fills the arguments has checked shapes and bounds. All of them give the same bits in
/// every table: one accumulator per output, fixed order, explicit fused multiply-add, no library functions.
package struct KernelTable: Sendable {
  package typealias Kernel<Arguments> = @Sendable (UnsafePointer<Arguments>) -> Void

  package private(set) var instructionSet: InstructionSet

  /// Convolution, linear layer or attention product in Float; epilogue adds bias and residual.
  package let convolveF32: Kernel<ht_convolution>
  /// The same on u8 codes and s8 weights, summed exactly in Int32, then scaled to Float.
  package private(set) var convolveU8S8: Kernel<ht_convolution>
  /// The same on bfloat16 inputs and weights, summed in Float, to other bits; nil where the processor has no such products.
  package private(set) var convolveBF16: Kernel<ht_convolution>?
  /// 6x6 input tiles of a 3x3 convolution, transformed for `convolveF32` to multiply.
  package let winogradInput: Kernel<ht_winograd_input>
  /// 4x4 output tiles from the products; epilogue adds bias and residual.
  package let winogradOutput: Kernel<ht_winograd_output>
  /// Per-channel scale and shift, activation, then Float or u8 codes; copies, per-channel addition, upsampling.
  package let transform: Kernel<ht_transform>
  /// Per-channel sums or centred squares over an image.
  package let channelSums: Kernel<ht_channel_sums>
  /// Softmax of rows in place.
  package let softmaxRows: Kernel<ht_softmax>
  /// Layer normalisation of rows, to Float or u8 codes.
  package let layerNorm: Kernel<ht_layer_norm>
  /// Values times the GELU of their gates, to Float or u8 codes.
  package let geglu: Kernel<ht_geglu>
  /// Means of 2x2 blocks.
  package let averagePool: Kernel<ht_average_pool>
  /// Simulated quantisation of a flat array.
  package let simulate: Kernel<ht_simulation>
  /// Packs a strided matrix as 1x1 Float weights.
  package let packMatrix: Kernel<ht_pack>
  /// Packs a strided matrix of codes as 1x1 s8 weights.
  package let packCodes: Kernel<ht_pack_codes>
  /// sum = a + b over `count` values; the sum may be written over an operand.
  package let add:
    @Sendable (
      _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int
    ) -> Void
  /// out = fma(x, scale, offset) over `count` values; may be in place.
  package let affine:
    @Sendable (
      _ x: UnsafePointer<Float>, _ scale: Float, _ offset: Float, _ out: UnsafeMutablePointer<Float>, _ count: Int
    ) -> Void

  // Gradients, for reconstruction

  /// dx = dy f'(x) for an activation f.
  package let activationGradient: Kernel<ht_activation_gradient>
  /// Per-channel sums of a cotangent, and of its product with centred values.
  package let channelProducts: Kernel<ht_channel_products>
  /// A cotangent scaled per channel plus values scaled per channel.
  package let channelBlend: Kernel<ht_channel_blend>
  /// The cotangent in front of a softmax.
  package let softmaxGradient: Kernel<ht_softmax_gradient>
  /// The cotangent in front of a layer normalisation, and its affine part's gradients.
  package let layerNormGradient: Kernel<ht_layer_norm_gradient>
  /// The cotangent in front of a GEGLU.
  package let gegluGradient: Kernel<ht_geglu_gradient>
  /// out = fma(x, scale, out) over `count` values.
  package let addScaled:
    @Sendable (
      _ x: UnsafePointer<Float>, _ scale: Float, _ out: UnsafeMutablePointer<Float>, _ count: Int
    ) -> Void

  /// Weights of learned rounding variables.
  package let softWeights: Kernel<ht_soft_rounding>
  /// Gradients by weights turned into those by learned rounding variables.
  package let softGradient: Kernel<ht_soft_rounding>
  /// One step of the Adam optimiser.
  package let adam: Kernel<ht_adam>

  package var name: String { instructionSet.rawValue }

  /// Runs on any processor, lane by lane without a fused multiply-add unit: for correctness, not for speed.
  package static let base = KernelTable(
    instructionSet: .base, convolveF32: KernelsBase.convolveF32, convolveU8S8: KernelsBase.convolveU8S8,
    convolveBF16: nil,
    winogradInput: KernelsBase.winogradInput, winogradOutput: KernelsBase.winogradOutput,
    transform: KernelsBase.transform, channelSums: KernelsBase.channelSums, softmaxRows: KernelsBase.softmaxRows,
    layerNorm: KernelsBase.layerNorm, geglu: KernelsBase.geglu,
    averagePool: KernelsBase.averagePool, simulate: KernelsBase.simulate, packMatrix: KernelsBase.packMatrix,
    packCodes: KernelsBase.packCodes, add: KernelsBase.add, affine: KernelsBase.affine,
    activationGradient: KernelsBase.activationGradient,
    channelProducts: KernelsBase.channelProducts, channelBlend: KernelsBase.channelBlend,
    softmaxGradient: KernelsBase.softmaxGradient, layerNormGradient: KernelsBase.layerNormGradient,
    gegluGradient: KernelsBase.gegluGradient, addScaled: KernelsBase.addScaled,
    softWeights: KernelsBase.softWeights, softGradient: KernelsBase.softGradient, adam: KernelsBase.adam)

  #if arch(x86_64)
    /// nil where the processor lacks it.
    package static let avx2 =
      ht_has_avx2() == 0
      ? nil
      : KernelTable(
        instructionSet: .avx2, convolveF32: KernelsAVX2.convolveF32, convolveU8S8: KernelsAVX2.convolveU8S8,
        convolveBF16: nil,
        winogradInput: KernelsAVX2.winogradInput, winogradOutput: KernelsAVX2.winogradOutput,
        transform: KernelsAVX2.transform, channelSums: KernelsAVX2.channelSums, softmaxRows: KernelsAVX2.softmaxRows,
        layerNorm: KernelsAVX2.layerNorm, geglu: KernelsAVX2.geglu,
        averagePool: KernelsAVX2.averagePool, simulate: KernelsAVX2.simulate, packMatrix: KernelsAVX2.packMatrix,
        packCodes: KernelsAVX2.packCodes, add: KernelsAVX2.add, affine: KernelsAVX2.affine,
        activationGradient: KernelsAVX2.activationGradient,
        channelProducts: KernelsAVX2.channelProducts, channelBlend: KernelsAVX2.channelBlend,
        softmaxGradient: KernelsAVX2.softmaxGradient, layerNormGradient: KernelsAVX2.layerNormGradient,
        gegluGradient: KernelsAVX2.gegluGradient, addScaled: KernelsAVX2.addScaled,
        softWeights: KernelsAVX2.softWeights, softGradient: KernelsAVX2.softGradient, adam: KernelsAVX2.adam)

    /// nil where the processor lacks it.
    package static let avxvnni =
      ht_has_avxvnni() == 0
      ? nil
      : KernelTable(
        instructionSet: .avxvnni, convolveF32: KernelsAVXVNNI.convolveF32, convolveU8S8: KernelsAVXVNNI.convolveU8S8,
        convolveBF16: nil,
        winogradInput: KernelsAVXVNNI.winogradInput, winogradOutput: KernelsAVXVNNI.winogradOutput,
        transform: KernelsAVXVNNI.transform, channelSums: KernelsAVXVNNI.channelSums,
        softmaxRows: KernelsAVXVNNI.softmaxRows,
        layerNorm: KernelsAVXVNNI.layerNorm, geglu: KernelsAVXVNNI.geglu,
        averagePool: KernelsAVXVNNI.averagePool, simulate: KernelsAVXVNNI.simulate,
        packMatrix: KernelsAVXVNNI.packMatrix,
        packCodes: KernelsAVXVNNI.packCodes, add: KernelsAVXVNNI.add, affine: KernelsAVXVNNI.affine,
        activationGradient: KernelsAVXVNNI.activationGradient,
        channelProducts: KernelsAVXVNNI.channelProducts, channelBlend: KernelsAVXVNNI.channelBlend,
        softmaxGradient: KernelsAVXVNNI.softmaxGradient, layerNormGradient: KernelsAVXVNNI.layerNormGradient,
        gegluGradient: KernelsAVXVNNI.gegluGradient, addScaled: KernelsAVXVNNI.addScaled,
        softWeights: KernelsAVXVNNI.softWeights, softGradient: KernelsAVXVNNI.softGradient, adam: KernelsAVXVNNI.adam)

    /// nil where the processor lacks it.
    package static let avx512vnni =
      ht_has_avx512vnni() == 0
      ? nil
      : KernelTable(
        instructionSet: .avx512vnni, convolveF32: KernelsAVX512VNNI.convolveF32,
        convolveU8S8: KernelsAVX512VNNI.convolveU8S8,
        convolveBF16: ht_has_avx512bf16() == 0 ? nil : KernelsAVX512BF16.convolveBF16,
        winogradInput: KernelsAVX512VNNI.winogradInput,
        winogradOutput: KernelsAVX512VNNI.winogradOutput, transform: KernelsAVX512VNNI.transform,
        channelSums: KernelsAVX512VNNI.channelSums, softmaxRows: KernelsAVX512VNNI.softmaxRows,
        layerNorm: KernelsAVX512VNNI.layerNorm, geglu: KernelsAVX512VNNI.geglu,
        averagePool: KernelsAVX512VNNI.averagePool, simulate: KernelsAVX512VNNI.simulate,
        packMatrix: KernelsAVX512VNNI.packMatrix, packCodes: KernelsAVX512VNNI.packCodes, add: KernelsAVX512VNNI.add,
        affine: KernelsAVX512VNNI.affine,
        activationGradient: KernelsAVX512VNNI.activationGradient,
        channelProducts: KernelsAVX512VNNI.channelProducts, channelBlend: KernelsAVX512VNNI.channelBlend,
        softmaxGradient: KernelsAVX512VNNI.softmaxGradient, layerNormGradient: KernelsAVX512VNNI.layerNormGradient,
        gegluGradient: KernelsAVX512VNNI.gegluGradient, addScaled: KernelsAVX512VNNI.addScaled,
        softWeights: KernelsAVX512VNNI.softWeights, softGradient: KernelsAVX512VNNI.softGradient,
        adam: KernelsAVX512VNNI.adam)

    /// nil where the processor or its system lacks it. Everything but products of integers and of bfloat16 is AVX-512's.
    package static let amx: KernelTable? = {
      guard ht_has_amx() != 0, var table = avx512vnni else { return nil }
      table.instructionSet = .amx
      table.convolveU8S8 = { if !KernelsAMX.convolveU8S8($0) { KernelsAVX512VNNI.convolveU8S8($0) } }
      table.convolveBF16 = KernelsAMX.convolveBF16
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
