import CKernels
import Graphs

extension Activation {
  /// The activation's number in the kernels' arguments.
  var kernelCode: Int32 {
    switch self {
    case .silu: Int32(HT_ACTIVATION_SILU)
    case .gelu: Int32(HT_ACTIVATION_GELU)
    case .relu: Int32(HT_ACTIVATION_RELU)
    case .mish: Int32(HT_ACTIVATION_MISH)
    }
  }
}
