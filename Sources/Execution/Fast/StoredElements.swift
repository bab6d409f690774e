import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// What a pass writes.
  enum StoredElements {
    case float
    case bfloat16
    case codes(AffineQuantizer)

    var size: Int {
      switch self {
      case .float: 4
      case .bfloat16: 2
      case .codes: 1
      }
    }
    /// Channels at which a quantiser's granules end.
    var boundaries: [Int] {
      if case .codes(let quantizer) = self { quantizer.boundaries } else { [] }
    }
  }
}

/// A kernel's arguments that say what it writes.
protocol ElementWriter {
  var element: Int32 { get set }
  var inverse_step: Float { get set }
  var zero_point: Int32 { get set }
  var largest_code: Int32 { get set }
}

extension ElementWriter {
  /// Lets the pass write such elements.
  mutating func write(_ elements: ProgramRunner.StoredElements, granule: Int = 0) {
    switch elements {
    case .float: element = Int32(HT_ELEMENT_FLOAT)
    case .bfloat16: element = Int32(HT_ELEMENT_BFLOAT16)
    case .codes(let quantizer):
      element = Int32(HT_ELEMENT_CODE)
      inverse_step = 1 / quantizer.scales[granule]
      zero_point = Int32(quantizer.zeroPoints[granule])
      largest_code = Int32(quantizer.largestCode)
    }
  }
}
