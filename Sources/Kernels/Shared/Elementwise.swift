import CKernels

/// sum[i] = a[i] + b[i]; `sum` may be either operand.
func add(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ sum: UnsafeMutablePointer<Float>, _ count: Int
) {
  var i = 0
  while i &+ 16 <= count {
    ht_store16(sum + i, ht_load16(a + i) + ht_load16(b + i))
    i &+= 16
  }
  while i < count {
    sum[i] = a[i] + b[i]
    i &+= 1
  }
}

/// out[i] = fma(x[i], scale, offset); `out` may be `x`.
func affine(
  _ x: UnsafePointer<Float>, _ scale: Float, _ offset: Float, _ out: UnsafeMutablePointer<Float>, _ count: Int
) {
  let (factor, addend) = (SIMD16<Float>(repeating: scale), SIMD16<Float>(repeating: offset))
  var i = 0
  while i &+ 16 <= count {
    ht_store16(out + i, ht_fma16(ht_load16(x + i), factor, addend))
    i &+= 16
  }
  if i < count {
    let rest = Int64(count &- i)
    ht_store_first16(out + i, ht_fma16(ht_load_first16(x + i, rest), factor, addend), rest)
  }
}

/// Means of 2x2 blocks. See `ht_average_pool`.
func averagePool(_ arguments: UnsafePointer<ht_average_pool>) {
  let a = arguments.pointee
  let (right, below) = (Int(a.source_pixel_stride), Int(a.source_row_stride))
  let quarter = SIMD16<Float>(repeating: 0.25)
  var y = 0
  while y < Int(a.height) {
    var x = 0
    while x < Int(a.width) {
      let source = a.source + 2 &* y &* below + 2 &* x &* right
      let destination = a.destination + y &* Int(a.destination_row_stride) + x &* Int(a.destination_pixel_stride)
      var c = 0
      while c < Int(a.channels) {
        let count = Int64(Int(a.channels) &- c < 16 ? Int(a.channels) &- c : 16)
        let top = ht_load_first16(source + c, count) + ht_load_first16(source + right + c, count)
        let bottom = ht_load_first16(source + below + c, count) + ht_load_first16(source + below + right + c, count)
        ht_store_first16(destination + c, (top + bottom) * quarter, count)
        c &+= 16
      }
      x &+= 1
    }
    y &+= 1
  }
}

/// Packs the right operand of an attention product. See `ht_pack`.
func packMatrix(_ arguments: UnsafePointer<ht_pack>) {
  let a = arguments.pointee
  let (outputs, inputs) = (Int(a.output_channels), Int(a.input_channels))
  var block = 0
  while block &* 32 < outputs {
    let first = block &* 32
    let present = outputs &- first < 32 ? outputs &- first : 32
    let destination = a.destination + first &* inputs
    let source = a.source + first &* Int(a.output_stride)
    var i = 0
    while i < inputs {
      var o = 0
      while o < present {
        destination[i &* 32 &+ o] = source[o &* Int(a.output_stride) &+ i &* Int(a.input_stride)]
        o &+= 1
      }
      while o < 32 {
        destination[i &* 32 &+ o] = 0
        o &+= 1
      }
      i &+= 1
    }
    block &+= 1
  }
}
