import CKernels

/// One elementwise pass: fma(x, scale, shift), activation, then Float or u8 codes. See `ht_transform`.
package func transform(_ arguments: UnsafePointer<ht_transform>) {
  var a = arguments.pointee
  // Dense rows without per-channel factors are one long pixel: narrow channel counts stay vectorised.
  if a.scale == nil && a.shift == nil && a.upsample_shift == 0
    && a.source_pixel_stride == Int64(a.channels) && a.destination_pixel_stride == Int64(a.channels)
  {
    a.channels *= a.width
    a.width = 1
  }
  // Constants here, so that each combination is compiled on its own.
  switch Int(a.activation) {
  case HT_ACTIVATION_SILU:
    a.to_codes != 0 ? transformPixels(a, .silu, toCodes: true) : transformPixels(a, .silu, toCodes: false)
  case HT_ACTIVATION_GELU:
    a.to_codes != 0 ? transformPixels(a, .gelu, toCodes: true) : transformPixels(a, .gelu, toCodes: false)
  case HT_ACTIVATION_RELU:
    a.to_codes != 0 ? transformPixels(a, .relu, toCodes: true) : transformPixels(a, .relu, toCodes: false)
  case HT_ACTIVATION_MISH:
    a.to_codes != 0 ? transformPixels(a, .mish, toCodes: true) : transformPixels(a, .mish, toCodes: false)
  default: a.to_codes != 0 ? transformPixels(a, .none, toCodes: true) : transformPixels(a, .none, toCodes: false)
  }
}

/// The loops over pixels and channels; `activation` and `toCodes` are constants at every call.
@inline(__always) private func transformPixels(_ a: ht_transform, _ activation: ActivationFunction, toCodes: Bool) {
  let coder = Coder(inverseStep: a.inverse_step, zeroPoint: a.zero_point, largest: a.largest_code)
  let channels = Int(a.channels)
  let (height, width) = (Int(a.height), Int(a.width))
  var y = 0
  while y < height {
    let sourceRow = a.source + (y >> Int(a.upsample_shift)) &* Int(a.source_row_stride)
    let row = y &* Int(a.destination_row_stride)
    var x = 0
    while x < width {
      let source = sourceRow + (x >> Int(a.upsample_shift)) &* Int(a.source_pixel_stride)
      let destination = row &+ x &* Int(a.destination_pixel_stride)
      var c = 0
      while c < channels {
        let count = channels &- c
        let whole = count >= 16
        var v = whole ? ht_load16(source + c) : ht_load_first16(source + c, Int64(count))
        if let scale = a.scale {
          let factor = whole ? ht_load16(scale + c) : ht_load_first16(scale + c, Int64(count))
          if let shift = a.shift {
            v = ht_fma16(v, factor, whole ? ht_load16(shift + c) : ht_load_first16(shift + c, Int64(count)))
          } else {
            v = v * factor
          }
        } else if let shift = a.shift {
          v = v + (whole ? ht_load16(shift + c) : ht_load_first16(shift + c, Int64(count)))
        }
        v = activation(v)
        if toCodes {
          let codes = a.destination.assumingMemoryBound(to: UInt8.self) + destination + c
          if whole {
            ht_store_bytes16(codes, coder.codes(v))
          } else {
            ht_store_first_bytes16(codes, coder.codes(v), Int64(count))
          }
        } else {
          let floats = a.destination.assumingMemoryBound(to: Float.self) + destination + c
          if whole { ht_store16(floats, v) } else { ht_store_first16(floats, v, Int64(count)) }
        }
        c &+= 16
      }
      x &+= 1
    }
    y &+= 1
  }
}

/// Simulated quantisation of a flat array. See `ht_simulation`.
package func simulate(_ arguments: UnsafePointer<ht_simulation>) {
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
