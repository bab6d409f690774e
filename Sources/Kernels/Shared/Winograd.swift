import CKernels

// Winograd's minimal filtering F(4,3) in both directions (Lavin & Gray 2016): 4x4 outputs of a 3x3 convolution from 6x6
// inputs by 36 products instead of 144. The interpolation points are 0, ±5/8, ±3/2 and infinity: rounding errors are
// those of a direct convolution plus 4 dB, where the usual 0, ±1, ±2 cost 11. All constants are exact in Float.

/// Six vectors: a row or column of a transformed tile.
private struct Six {
  var v0: FloatLanes, v1: FloatLanes, v2: FloatLanes, v3: FloatLanes, v4: FloatLanes, v5: FloatLanes
}

private struct Four {
  var v0: FloatLanes, v1: FloatLanes, v2: FloatLanes, v3: FloatLanes
}

/// a * x + y.
@inline(__always) private func scaled(_ a: Float, _ x: FloatLanes, _ y: FloatLanes) -> FloatLanes {
  multiplyAdd(FloatLanes(repeating: a), x, y)
}

/// Six inputs to the six values whose products with the filter's are the transformed outputs. With a = 5/8, b = 3/2:
/// the coefficients of x(x²-a²)(x²-b²) less one factor each.
@inline(__always) private func transformed(_ d: Six) -> Six {
  let evenA = scaled(-2.25, d.v2, d.v4)  // b²
  let oddA = FloatLanes(repeating: 0.625) * scaled(-2.25, d.v1, d.v3)
  let evenB = scaled(-0.390625, d.v2, d.v4)  // a²
  let oddB = FloatLanes(repeating: 1.5) * scaled(-0.390625, d.v1, d.v3)
  return Six(
    v0: scaled(0.87890625, d.v0, scaled(-2.640625, d.v2, d.v4)),  // a²b², a² + b²
    v1: evenA + oddA, v2: evenA - oddA, v3: evenB + oddB, v4: evenB - oddB,
    v5: scaled(0.87890625, d.v1, scaled(-2.640625, d.v3, d.v5)))
}

/// Six products to four outputs: powers of the points.
@inline(__always) private func gathered(_ m: Six) -> Four {
  let (sumA, differenceA) = (m.v1 + m.v2, m.v1 - m.v2)
  let (sumB, differenceB) = (m.v3 + m.v4, m.v3 - m.v4)
  return Four(
    v0: m.v0 + (sumA + sumB),
    v1: scaled(1.5, differenceB, FloatLanes(repeating: 0.625) * differenceA),
    v2: scaled(2.25, sumB, FloatLanes(repeating: 0.390625) * sumA),
    v3: scaled(3.375, differenceB, scaled(0.244140625, differenceA, m.v5)))
}

@inline(__always) private func loadSix(_ p: UnsafePointer<Float>, _ stride: Int) -> Six {
  Six(
    v0: load(p), v1: load(p + stride), v2: load(p + 2 &* stride), v3: load(p + 3 &* stride), v4: load(p + 4 &* stride),
    v5: load(p + 5 &* stride))
}

@inline(__always) private func store(_ p: UnsafeMutablePointer<Float>, _ stride: Int, _ row: Six) {
  store(p, row.v0)
  store(p + stride, row.v1)
  store(p + 2 &* stride, row.v2)
  store(p + 3 &* stride, row.v3)
  store(p + 4 &* stride, row.v4)
  store(p + 5 &* stride, row.v5)
}

/// 6x6 tiles of a halo buffer to 36 planes of tiles. See `ht_winograd_input`.
func winogradInput(_ arguments: UnsafePointer<ht_winograd_input>) {
  let a = arguments.pointee
  let (row, pixel, plane) = (Int(a.row_stride), Int(a.pixel_stride), Int(a.plane_stride))
  var tileRow = Int(a.tile_row_begin)
  while tileRow < Int(a.tile_row_end) {
    var tileColumn = 0
    while tileColumn < Int(a.tile_columns) {
      let input = a.input + 4 &* (tileRow &* row &+ tileColumn &* pixel)
      let output = a.planes + (tileRow &* Int(a.tile_columns) &+ tileColumn) &* Int(a.channels)
      var c = 0
      while c < Int(a.channels) {
        let p = input + c
        let c0 = transformed(loadSix(p, row))
        let c1 = transformed(loadSix(p + pixel, row))
        let c2 = transformed(loadSix(p + 2 &* pixel, row))
        let c3 = transformed(loadSix(p + 3 &* pixel, row))
        let c4 = transformed(loadSix(p + 4 &* pixel, row))
        let c5 = transformed(loadSix(p + 5 &* pixel, row))
        let o = output + c
        store(o, plane, transformed(Six(v0: c0.v0, v1: c1.v0, v2: c2.v0, v3: c3.v0, v4: c4.v0, v5: c5.v0)))
        store(o + 6 &* plane, plane, transformed(Six(v0: c0.v1, v1: c1.v1, v2: c2.v1, v3: c3.v1, v4: c4.v1, v5: c5.v1)))
        store(
          o + 12 &* plane, plane, transformed(Six(v0: c0.v2, v1: c1.v2, v2: c2.v2, v3: c3.v2, v4: c4.v2, v5: c5.v2)))
        store(
          o + 18 &* plane, plane, transformed(Six(v0: c0.v3, v1: c1.v3, v2: c2.v3, v3: c3.v3, v4: c4.v3, v5: c5.v3)))
        store(
          o + 24 &* plane, plane, transformed(Six(v0: c0.v4, v1: c1.v4, v2: c2.v4, v3: c3.v4, v4: c4.v4, v5: c5.v4)))
        store(
          o + 30 &* plane, plane, transformed(Six(v0: c0.v5, v1: c1.v5, v2: c2.v5, v3: c3.v5, v4: c4.v5, v5: c5.v5)))
        c &+= laneCount
      }
      tileColumn &+= 1
    }
    tileRow &+= 1
  }
}

/// 36 planes of products to 4x4 tiles of the output, bias and residual added. See `ht_winograd_output`.
func winogradOutput(_ arguments: UnsafePointer<ht_winograd_output>) {
  let a = arguments.pointee
  let plane = Int(a.plane_stride)
  var tileRow = Int(a.tile_row_begin)
  while tileRow < Int(a.tile_row_end) {
    var tileColumn = 0
    while tileColumn < Int(a.tile_columns) {
      let input = a.planes + (tileRow &* Int(a.tile_columns) &+ tileColumn) &* Int(a.channels)
      var c = 0
      while c < Int(a.channels) {
        let p = input + c
        let r0 = gathered(loadSix(p, plane))
        let r1 = gathered(loadSix(p + 6 &* plane, plane))
        let r2 = gathered(loadSix(p + 12 &* plane, plane))
        let r3 = gathered(loadSix(p + 18 &* plane, plane))
        let r4 = gathered(loadSix(p + 24 &* plane, plane))
        let r5 = gathered(loadSix(p + 30 &* plane, plane))
        let (y, x) = (4 &* tileRow, 4 &* tileColumn)
        storeColumn(a, y, x, c, gathered(Six(v0: r0.v0, v1: r1.v0, v2: r2.v0, v3: r3.v0, v4: r4.v0, v5: r5.v0)))
        storeColumn(a, y, x &+ 1, c, gathered(Six(v0: r0.v1, v1: r1.v1, v2: r2.v1, v3: r3.v1, v4: r4.v1, v5: r5.v1)))
        storeColumn(a, y, x &+ 2, c, gathered(Six(v0: r0.v2, v1: r1.v2, v2: r2.v2, v3: r3.v2, v4: r4.v2, v5: r5.v2)))
        storeColumn(a, y, x &+ 3, c, gathered(Six(v0: r0.v3, v1: r1.v3, v2: r2.v3, v3: r3.v3, v4: r4.v3, v5: r5.v3)))
        c &+= laneCount
      }
      tileColumn &+= 1
    }
    tileRow &+= 1
  }
}

/// Four outputs below one another, as far as the image reaches.
@inline(__always) private func storeColumn(_ a: ht_winograd_output, _ y: Int, _ x: Int, _ c: Int, _ values: Four) {
  guard x < Int(a.width) else { return }
  let row = Int(a.output_row_stride)
  let offset = y &* row &+ x &* Int(a.output_pixel_stride) &+ c
  let bias = load(a.bias + c)
  storePixel(a, offset, values.v0 + bias)
  if y &+ 1 < Int(a.height) { storePixel(a, offset &+ row, values.v1 + bias) }
  if y &+ 2 < Int(a.height) { storePixel(a, offset &+ 2 &* row, values.v2 + bias) }
  if y &+ 3 < Int(a.height) { storePixel(a, offset &+ 3 &* row, values.v3 + bias) }
}

@inline(__always) private func storePixel(_ a: ht_winograd_output, _ offset: Int, _ value: FloatLanes) {
  if let residual = a.residual {
    store(a.output + offset, value + load(residual + offset))
  } else {
    store(a.output + offset, value)
  }
}
