import CLinearAlgebra
import Foundation
import Tensors
import Testing

/// Which of OpenBLAS's kernels run: its own choice for processors it knows, else the best that the processor has instructions for.
@Suite struct OpenBLASKernelsTests {
  @Test(arguments: [
    ("Prescott", true, true, "SkylakeX"), ("Prescott", true, false, "Haswell"), ("Nehalem", true, false, "Haswell"),
    ("Sandybridge", true, true, "SkylakeX"), ("Prescott", false, false, nil), ("Core2", false, true, nil),
    // What it chose for a processor that it knows stands.
    ("Zen", true, true, nil), ("Haswell", true, true, nil), ("SkylakeX", true, true, nil),
    ("Excavator", true, false, nil),
    ("neoversen1", false, false, nil),
  ])
  func oldKernelsGiveWay(chosen: String, avx2: Bool, avx512: Bool, expected: String?) {
    let better = ht_blas_better(chosen, avx2 ? 1 : 0, avx512 ? 1 : 0).map { String(cString: $0) }
    #expect(better == expected)
  }

  /// Where OPENBLAS_CORETYPE is set, the user's choice runs, whatever it is.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"] == nil))
  func nothingBetterIsLeft() {
    #expect(OpenBLAS.betterKernels == nil, "kernels of \(OpenBLAS.kernels)")
    #expect(getenv("OPENBLAS_CORETYPE") == nil, "programs that this one starts choose for themselves")
    if let replaced = OpenBLAS.replacedKernels {
      #expect(replaced != OpenBLAS.kernels && OpenBLAS.version.hasSuffix(" in place of \(replaced)"))
    }
  }
}
