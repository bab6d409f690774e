import CKernels

/// Writes or adds 16 values, or the first few of them.
@inline(__always) func put(
  _ v: SIMD16<Float>, _ target: UnsafeMutablePointer<Float>, _ count: Int64, _ accumulate: Int32
) {
  if count == 16 {
    ht_store16(target, accumulate == 0 ? v : ht_load16(target) + v)
  } else {
    ht_store_first16(target, accumulate == 0 ? v : ht_load_first16(target, count) + v, count)
  }
}

@inline(__always) func get(_ source: UnsafePointer<Float>, _ count: Int64) -> SIMD16<Float> {
  count == 16 ? ht_load16(source) : ht_load_first16(source, count)
}

/// Lanes of the vector that starts at `i` of `count`.
@inline(__always) func lanes(_ i: Int, _ count: Int) -> Int64 { Int64(count &- i < 16 ? count &- i : 16) }

/// dx = dy f'(x). See `ht_activation_gradient`.
func activationGradient(_ arguments: UnsafePointer<ht_activation_gradient>) {
  let a = arguments.pointee
  switch Int(a.activation) {
  case HT_ACTIVATION_SILU: siluGradient(a)
  case HT_ACTIVATION_GELU: geluGradient(a)
  case HT_ACTIVATION_RELU: reluGradient(a)
  case HT_ACTIVATION_MISH: mishGradient(a)
  default: identityGradient(a)
  }
}

// One function for each, because the optimiser only makes constants of what it inlines into small callers.

@inline(never) private func identityGradient(_ a: ht_activation_gradient) { differentiate(a, .none) }
@inline(never) private func siluGradient(_ a: ht_activation_gradient) { differentiate(a, .silu) }
@inline(never) private func geluGradient(_ a: ht_activation_gradient) { differentiate(a, .gelu) }
@inline(never) private func reluGradient(_ a: ht_activation_gradient) { differentiate(a, .relu) }
@inline(never) private func mishGradient(_ a: ht_activation_gradient) { differentiate(a, .mish) }

@inline(__always) private func differentiate(_ a: ht_activation_gradient, _ activation: ActivationFunction) {
  var i = 0
  let count = Int(a.count)
  while i < count {
    let n = lanes(i, count)
    put(get(a.dy + i, n) * activation.derivative(get(a.x + i, n)), a.dx + i, n, a.accumulate)
    i &+= 16
  }
}

/// Per-channel sums of a cotangent and of its product with centred values. See `ht_channel_products`.
func channelProducts(_ arguments: UnsafePointer<ht_channel_products>) {
  let a = arguments.pointee
  let channels = Int(a.channels)
  var c = 0
  while c < channels {
    let n = lanes(c, channels)
    let centre = get(a.center + c, n)
    var sum = SIMD16<Float>(repeating: 0)
    var product = SIMD16<Float>(repeating: 0)
    var offset = c
    var pixel = 0
    while pixel < Int(a.pixels) {
      let dy = get(a.dy + offset, n)
      sum += dy
      product = ht_fma16(dy, get(a.x + offset, n) - centre, product)
      offset &+= channels
      pixel &+= 1
    }
    ht_store_first16(a.sums + c, sum, n)
    ht_store_first16(a.products + c, product, n)
    c &+= 16
  }
}

/// A cotangent scaled per channel, plus values scaled per channel, plus an offset per channel. See `ht_channel_blend`.
func channelBlend(_ arguments: UnsafePointer<ht_channel_blend>) {
  let a = arguments.pointee
  let channels = Int(a.channels)
  var offset = 0
  var pixel = 0
  while pixel < Int(a.pixels) {
    var c = 0
    while c < channels {
      let n = lanes(c, channels)
      var v: SIMD16<Float>
      if let x = a.x {
        v = ht_fma16(get(x + (offset &+ c), n), get(a.x_scale + c, n), get(a.offset + c, n))
        v = ht_fma16(get(a.dy + (offset &+ c), n), get(a.dy_scale + c, n), v)
      } else {
        v = get(a.dy + (offset &+ c), n) * get(a.dy_scale + c, n)
      }
      put(v, a.out + (offset &+ c), n, a.accumulate)
      c &+= 16
    }
    offset &+= channels
    pixel &+= 1
  }
}

/// dx = p (dy - <dy, p>) row by row. See `ht_softmax_gradient`.
func softmaxGradient(_ arguments: UnsafePointer<ht_softmax_gradient>) {
  let a = arguments.pointee
  let columns = Int(a.columns)
  var row = 0
  while row < Int(a.rows) {
    let start = row &* columns
    var sums = SIMD16<Float>(repeating: 0)
    var i = 0
    while i < columns {
      let n = lanes(i, columns)
      sums = ht_fma16(get(a.p + (start &+ i), n), get(a.dy + (start &+ i), n), sums)
      i &+= 16
    }
    let inner = SIMD16<Float>(repeating: sumOfLanes(sums))
    i = 0
    while i < columns {
      let n = lanes(i, columns)
      put(get(a.p + (start &+ i), n) * (get(a.dy + (start &+ i), n) - inner), a.dx + (start &+ i), n, a.accumulate)
      i &+= 16
    }
    row &+= 1
  }
}

/// out[i] = fma(x[i], scale, out[i]).
func addScaled(_ x: UnsafePointer<Float>, _ scale: Float, _ out: UnsafeMutablePointer<Float>, _ count: Int) {
  let factor = SIMD16<Float>(repeating: scale)
  var i = 0
  while i < count {
    let n = lanes(i, count)
    put(ht_fma16(get(x + i, n), factor, get(out + i, n)), out + i, n, 0)
    i &+= 16
  }
}
