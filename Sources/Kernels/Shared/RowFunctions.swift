import CKernels

// Functions of each token's channels together. The sums of channel c go to lane c % 16 and the lanes are added as a fixed tree, so
// the bits depend on the row alone.

/// Stores rows as Float, bfloat16 or codes. See `ht_row_store`.
private struct RowStore {
  private let out: ht_row_store
  private let coder: Coder

  @inline(__always) init(_ out: ht_row_store) {
    self.out = out
    coder = Coder(inverseStep: out.inverse_step, zeroPoint: out.zero_point, largest: out.largest_code)
  }

  /// The channels that are stored.
  @inline(__always) var first: Int { Int(out.first) }
  @inline(__always) var end: Int { Int(out.first) &+ Int(out.count) }

  /// Stores `count` channels from `channel` on; `element` is a constant wherever this is inlined.
  @inline(__always) func put(
    _ v: SIMD16<Float>, _ row: Int, _ channel: Int, _ count: Int64, _ element: StoredElement
  ) {
    let place = row &* Int(out.row_stride) &+ channel
    let scaled = if let factor = out.factor { v * get(factor + channel, count) } else { v }
    store(scaled, to: out.destination, at: place, count, as: element, coder)
  }
}

// MARK: Layer normalisation

/// Layer normalisation of rows. See `ht_layer_norm`.
func layerNorm(_ arguments: UnsafePointer<ht_layer_norm>) {
  let a = arguments.pointee
  switch Int(a.out.element) {
  case HT_ELEMENT_FLOAT: normalizeToFloats(a)
  case HT_ELEMENT_CODE: normalizeToCodes(a)
  default: normalizeToBFloat16(a)
  }
}

// One function for each, because the optimiser only makes constants of what it inlines into small callers.

@inline(never) private func normalizeToFloats(_ a: ht_layer_norm) { normalizeRows(a, .float) }
@inline(never) private func normalizeToCodes(_ a: ht_layer_norm) { normalizeRows(a, .code) }
@inline(never) private func normalizeToBFloat16(_ a: ht_layer_norm) { normalizeRows(a, .bfloat16) }

@inline(__always) private func normalizeRows(_ a: ht_layer_norm, _ element: StoredElement) {
  let channels = Int(a.channels)
  let store = RowStore(a.out)
  var row = 0
  while row < Int(a.rows) {
    let x = a.source + row &* channels
    let moments = RowMoments(x, channels, a.epsilon)
    var c = store.first
    while c < store.end {
      let n = lanes(c, store.end)
      let v = ht_fma16(moments.normalized(get(x + c, n)), get(a.scale + c, n), get(a.shift + c, n))
      store.put(v, row, c, n, element)
      c &+= 16
    }
    row &+= 1
  }
}

/// Mean and inverse deviation of a row, the variance from a second pass so that a mean far from zero costs no digits.
private struct RowMoments {
  let mean: SIMD16<Float>
  let inverse: SIMD16<Float>

  @inline(__always) init(_ x: UnsafePointer<Float>, _ channels: Int, _ epsilon: Float) {
    var sums = SIMD16<Float>(repeating: 0)
    var c = 0
    while c < channels {
      sums += get(x + c, lanes(c, channels))
      c &+= 16
    }
    let mean = SIMD16<Float>(repeating: sumOfLanes(sums) / Float(channels))
    var squares = SIMD16<Float>(repeating: 0)
    c = 0
    while c &+ 16 <= channels {
      let distance = ht_load16(x + c) - mean
      squares = ht_fma16(distance, distance, squares)
      c &+= 16
    }
    if c < channels {
      let rest = Int64(channels &- c)
      let distance = present(ht_load_first16(x + c, rest) - mean, rest)
      squares = ht_fma16(distance, distance, squares)
    }
    self.mean = mean
    inverse = SIMD16(repeating: 1 / (sumOfLanes(squares) / Float(channels) + epsilon).squareRoot())
  }

  @inline(__always) func normalized(_ x: SIMD16<Float>) -> SIMD16<Float> { (x - mean) * inverse }
}

/// The first `count` lanes, zero in the others.
@inline(__always) private func present(_ v: SIMD16<Float>, _ count: Int64) -> SIMD16<Float> {
  let lane = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  return SIMD16(repeating: 0).replacing(with: v, where: lane .< SIMD16(repeating: Int32(count)))
}

/// With x^ = (x - mean) / deviation: dx = (scale dy - mean(scale dy) - x^ mean(scale dy x^)) / deviation, means over the row.
/// See `ht_layer_norm_gradient`.
func layerNormGradient(_ arguments: UnsafePointer<ht_layer_norm_gradient>) {
  let a = arguments.pointee
  let channels = Int(a.channels)
  let share = SIMD16<Float>(repeating: 1 / Float(channels))
  var row = 0
  while row < Int(a.rows) {
    let (x, dy) = (a.x + row &* channels, a.dy + row &* channels)
    let moments = RowMoments(x, channels, a.epsilon)
    var (sums, products) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
    var c = 0
    while c < channels {
      let n = lanes(c, channels)
      let (slope, normalized) = (get(dy + c, n), moments.normalized(get(x + c, n)))
      // Zero in lanes past the row, as the slope is.
      let scaled = slope * get(a.scale + c, n)
      sums += scaled
      products = ht_fma16(scaled, normalized, products)
      if let scales = a.scale_sums, let shifts = a.shift_sums {
        put(slope * normalized, scales + c, n, 1)
        put(slope, shifts + c, n, 1)
      }
      c &+= 16
    }
    if let dx = a.dx {
      let mean = SIMD16(repeating: sumOfLanes(sums)) * share
      let product = SIMD16(repeating: sumOfLanes(products)) * share
      c = 0
      while c < channels {
        let n = lanes(c, channels)
        let centred = ht_fma16(get(dy + c, n), get(a.scale + c, n), -mean)
        let v = ht_fma16(-moments.normalized(get(x + c, n)), product, centred) * moments.inverse
        put(v, dx + row &* channels + c, n, a.accumulate)
        c &+= 16
      }
    }
    row &+= 1
  }
}

// MARK: GEGLU

/// Values times the GELU of their gates. See `ht_geglu`.
func geglu(_ arguments: UnsafePointer<ht_geglu>) {
  let a = arguments.pointee
  switch Int(a.out.element) {
  case HT_ELEMENT_FLOAT: gateToFloats(a)
  case HT_ELEMENT_CODE: gateToCodes(a)
  default: gateToBFloat16(a)
  }
}

@inline(never) private func gateToFloats(_ a: ht_geglu) { gateRows(a, .float) }
@inline(never) private func gateToCodes(_ a: ht_geglu) { gateRows(a, .code) }
@inline(never) private func gateToBFloat16(_ a: ht_geglu) { gateRows(a, .bfloat16) }

@inline(__always) private func gateRows(_ a: ht_geglu, _ element: StoredElement) {
  let channels = Int(a.channels)
  let store = RowStore(a.out)
  var row = 0
  while row < Int(a.rows) {
    let x = a.source + row &* (2 &* channels)
    var c = store.first
    while c < store.end {
      let n = lanes(c, store.end)
      let gate = ActivationFunction.gelu(get(x + channels + c, n))
      store.put(get(x + c, n) * gate, row, c, n, element)
      c &+= 16
    }
    row &+= 1
  }
}

/// The gates' GELU times the cotangent; values times the GELU's derivative times the cotangent. See `ht_geglu_gradient`.
func gegluGradient(_ arguments: UnsafePointer<ht_geglu_gradient>) {
  let a = arguments.pointee
  let channels = Int(a.channels)
  var row = 0
  while row < Int(a.rows) {
    let (x, dx) = (a.x + row &* (2 &* channels), a.dx + row &* (2 &* channels))
    let dy = a.dy + row &* channels
    var c = 0
    while c < channels {
      let n = lanes(c, channels)
      let (gate, slope) = (get(x + channels + c, n), get(dy + c, n))
      put(slope * ActivationFunction.gelu(gate), dx + c, n, a.accumulate)
      let change = get(x + c, n) * ActivationFunction.gelu.derivative(gate)
      put(slope * change, dx + channels + c, n, a.accumulate)
      c &+= 16
    }
    row &+= 1
  }
}
