import CKernels

/// One elementwise pass: fma(x, scale, shift), activation, factor, then Float, bfloat16 or u8 codes. See `ht_transform`.
func transform(_ arguments: UnsafePointer<ht_transform>) {
  var a = arguments.pointee
  // Dense rows without per-channel factors are one long pixel: narrow channel counts stay vectorised.
  let isDense =
    a.source_pixel_stride == Int64(a.channels) && a.destination_pixel_stride == Int64(a.channels)
    && a.upsample_shift == 0
  if isDense && a.scale == nil && a.shift == nil && a.factor == nil {
    a.channels &*= a.width
    a.width = 1
  }
  switch (Int(a.activation), Int(a.element)) {
  case (HT_ACTIVATION_SILU, HT_ELEMENT_FLOAT): silu(a)
  case (HT_ACTIVATION_SILU, HT_ELEMENT_CODE): siluToCodes(a)
  case (HT_ACTIVATION_SILU, HT_ELEMENT_BFLOAT16): siluToBFloat16(a)
  case (HT_ACTIVATION_GELU, HT_ELEMENT_FLOAT): gelu(a)
  case (HT_ACTIVATION_GELU, HT_ELEMENT_CODE): geluToCodes(a)
  case (HT_ACTIVATION_GELU, HT_ELEMENT_BFLOAT16): geluToBFloat16(a)
  case (HT_ACTIVATION_RELU, HT_ELEMENT_FLOAT): relu(a)
  case (HT_ACTIVATION_RELU, HT_ELEMENT_CODE): reluToCodes(a)
  case (HT_ACTIVATION_RELU, HT_ELEMENT_BFLOAT16): reluToBFloat16(a)
  case (HT_ACTIVATION_MISH, HT_ELEMENT_FLOAT): mish(a)
  case (HT_ACTIVATION_MISH, HT_ELEMENT_CODE): mishToCodes(a)
  case (HT_ACTIVATION_MISH, HT_ELEMENT_BFLOAT16): mishToBFloat16(a)
  case (_, HT_ELEMENT_FLOAT): copy(a)
  case (_, HT_ELEMENT_CODE): copyToCodes(a)
  default: copyToBFloat16(a)
  }
}

// One function for each combination, because the optimiser only makes constants of what it inlines into small callers.

@inline(never) private func copy(_ a: ht_transform) { transformPixels(a, .none, .float) }
@inline(never) private func copyToCodes(_ a: ht_transform) { transformPixels(a, .none, .code) }
@inline(never) private func copyToBFloat16(_ a: ht_transform) { transformPixels(a, .none, .bfloat16) }
@inline(never) private func silu(_ a: ht_transform) { transformPixels(a, .silu, .float) }
@inline(never) private func siluToCodes(_ a: ht_transform) { transformPixels(a, .silu, .code) }
@inline(never) private func siluToBFloat16(_ a: ht_transform) { transformPixels(a, .silu, .bfloat16) }
@inline(never) private func gelu(_ a: ht_transform) { transformPixels(a, .gelu, .float) }
@inline(never) private func geluToCodes(_ a: ht_transform) { transformPixels(a, .gelu, .code) }
@inline(never) private func geluToBFloat16(_ a: ht_transform) { transformPixels(a, .gelu, .bfloat16) }
@inline(never) private func relu(_ a: ht_transform) { transformPixels(a, .relu, .float) }
@inline(never) private func reluToCodes(_ a: ht_transform) { transformPixels(a, .relu, .code) }
@inline(never) private func reluToBFloat16(_ a: ht_transform) { transformPixels(a, .relu, .bfloat16) }
@inline(never) private func mish(_ a: ht_transform) { transformPixels(a, .mish, .float) }
@inline(never) private func mishToCodes(_ a: ht_transform) { transformPixels(a, .mish, .code) }
@inline(never) private func mishToBFloat16(_ a: ht_transform) { transformPixels(a, .mish, .bfloat16) }

/// The loops over pixels and channels; `activation` and `element` are constants at every call.
@inline(__always) private func transformPixels(
  _ a: ht_transform, _ activation: ActivationFunction, _ element: StoredElement
) {
  let coder = Coder(inverseStep: a.inverse_step, zeroPoint: a.zero_point, largest: a.largest_code)
  let channels = Int(a.channels)
  let whole = channels & ~15
  var y = 0
  while y < Int(a.height) {
    let sourceRow = a.source + (y >> Int(a.upsample_shift)) &* Int(a.source_row_stride)
    let row = y &* Int(a.destination_row_stride)
    var x = 0
    while x < Int(a.width) {
      let source = sourceRow + (x >> Int(a.upsample_shift)) &* Int(a.source_pixel_stride)
      let destination = row &+ x &* Int(a.destination_pixel_stride)
      var c = 0
      while c < whole {
        var v = ht_load16(source + c)
        if let scale = a.scale {
          let factor = ht_load16(scale + c)
          if let shift = a.shift { v = ht_fma16(v, factor, ht_load16(shift + c)) } else { v = v * factor }
        } else if let shift = a.shift {
          v = v + ht_load16(shift + c)
        }
        v = activation(v)
        if let factor = a.factor { v = v * ht_load16(factor + c) }
        store(v, to: a.destination, at: destination &+ c, 16, as: element, coder)
        c &+= 16
      }
      if c < channels {
        let rest = Int64(channels &- c)
        var v = ht_load_first16(source + c, rest)
        if let scale = a.scale {
          let factor = ht_load_first16(scale + c, rest)
          if let shift = a.shift {
            v = ht_fma16(v, factor, ht_load_first16(shift + c, rest))
          } else {
            v = v * factor
          }
        } else if let shift = a.shift {
          v = v + ht_load_first16(shift + c, rest)
        }
        v = activation(v)
        if let factor = a.factor { v = v * ht_load_first16(factor + c, rest) }
        store(v, to: a.destination, at: destination &+ c, rest, as: element, coder)
      }
      x &+= 1
    }
    y &+= 1
  }
}

/// Simulated quantisation of a flat array. See `ht_simulation`.
func simulate(_ arguments: UnsafePointer<ht_simulation>) {
  let a = arguments.pointee
  let coder = Coder(inverseStep: a.inverse_step, zeroPoint: a.zero_point, largest: a.largest)
  let step = SIMD16<Float>(repeating: a.step)
  let count = Int(a.count)
  var i = 0
  while i &+ 16 <= count {
    ht_store16(a.destination + i, step * coder.centredCodes(ht_load16(a.source + i)))
    i &+= 16
  }
  if i < count {
    let rest = Int64(count &- i)
    ht_store_first16(a.destination + i, step * coder.centredCodes(ht_load_first16(a.source + i, rest)), rest)
  }
}
