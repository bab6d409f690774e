import Graphs
import Quantization
import Tensors

extension Recipe.Weights {
  /// A weight as the codes of the nearest grid points: what roundings are compared with.
  func roundToNearest(_ weight: Tensor) -> QuantizedWeight {
    let quantizer = quantizer(for: weight)
    let (channels, size) = (weight.dims[0], weight.count / max(weight.dims[0], 1))
    return QuantizedWeight(
      dims: weight.dims, quantizer: quantizer,
      codes: quantizer.codes(weight.values, channelStride: size, channelCount: channels))
  }
}
