import CKernels

/// Float convolution. See `ht_convolution`.
package func convolveF32(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  let weights = a.weights!.assumingMemoryBound(to: Float.self)
  let input = a.input!.assumingMemoryBound(to: Float.self)
  let (taps, channels) = (Int(a.taps), Int(a.input_channels))
  var block = Int(a.block_begin)
  while block < Int(a.block_end) {
    var row = Int(a.row_begin)
    while row < Int(a.row_end) {
      var x = 0
      while x < Int(a.width) {
        let pixel = input + row &* Int(a.input_row_stride) + x &* Int(a.input_pixel_stride)
        var low = ht_load16(a.bias + block &* 32)
        var high = ht_load16(a.bias + block &* 32 + 16)
        var w = weights + block &* 32 &* taps &* channels
        var tap = 0
        while tap < taps {
          let source = pixel + Int(a.tap_offsets[tap])
          var c = 0
          while c < channels {
            let value = SIMD16<Float>(repeating: source[c])
            low = ht_fma16(value, ht_load16(w), low)
            high = ht_fma16(value, ht_load16(w + 16), high)
            w += 32
            c &+= 1
          }
          tap &+= 1
        }
        finish(a, block, row, x, low, high)
        x &+= 1
      }
      row &+= 1
    }
    block &+= 1
  }
}

/// Integer convolution: u8 codes times s8 codes. See `ht_convolution`.
package func convolveU8S8(_ arguments: UnsafePointer<ht_convolution>) {
  let a = arguments.pointee
  let weights = a.weights!.assumingMemoryBound(to: UInt8.self)
  let input = a.input!.assumingMemoryBound(to: UInt8.self)
  let (taps, channels) = (Int(a.taps), Int(a.input_channels))
  var block = Int(a.block_begin)
  while block < Int(a.block_end) {
    var row = Int(a.row_begin)
    while row < Int(a.row_end) {
      var x = 0
      while x < Int(a.width) {
        let pixel = input + row &* Int(a.input_row_stride) + x &* Int(a.input_pixel_stride)
        var a0 = ht_load_ints8(a.start + block &* 32)
        var a1 = ht_load_ints8(a.start + block &* 32 + 8)
        var a2 = ht_load_ints8(a.start + block &* 32 + 16)
        var a3 = ht_load_ints8(a.start + block &* 32 + 24)
        var w = weights + block &* 32 &* taps &* channels
        var tap = 0
        while tap < taps {
          let source = pixel + Int(a.tap_offsets[tap])
          var c = 0
          while c < channels {
            let value = SIMD8<Int32>(repeating: ht_four_bytes(source + c))
            a0 = ht_dot8(a0, value, ht_load_ints8(w))
            a1 = ht_dot8(a1, value, ht_load_ints8(w + 32))
            a2 = ht_dot8(a2, value, ht_load_ints8(w + 64))
            a3 = ht_dot8(a3, value, ht_load_ints8(w + 96))
            w += 128
            c &+= 4
          }
          tap &+= 1
        }
        let low = ht_to_floats16(SIMD16(lowHalf: a0, highHalf: a1))
        let high = ht_to_floats16(SIMD16(lowHalf: a2, highHalf: a3))
        let (scale, bias) = (a.scale! + block &* 32, a.bias! + block &* 32)
        finish(
          a, block, row, x, ht_fma16(low, ht_load16(scale), ht_load16(bias)),
          ht_fma16(high, ht_load16(scale + 16), ht_load16(bias + 16)))
        x &+= 1
      }
      row &+= 1
    }
    block &+= 1
  }
}

@inline(__always) private func finish(
  _ a: ht_convolution, _ block: Int, _ row: Int, _ x: Int, _ low: SIMD16<Float>, _ high: SIMD16<Float>
) {
  let position = row &* Int(a.output_row_stride) &+ x &* Int(a.output_pixel_stride) &+ block &* 32
  let present = Int(a.output_channels) &- block &* 32
  let lowCount = Int64(present < 16 ? present : 16)
  let highCount = Int64(present < 16 ? 0 : present < 32 ? present &- 16 : 16)
  var (low, high) = (low, high)
  if let residual = a.residual {
    low += ht_load_first16(residual + position, lowCount)
    high += ht_load_first16(residual + position + 16, highCount)
  }
  ht_store_first16(a.output + position, low, lowCount)
  ht_store_first16(a.output + position + 16, high, highCount)
}
