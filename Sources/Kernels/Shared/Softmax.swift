import CKernels

/// Softmax of each row in place: e^(x - max) / sum, or its numerators alone. See `ht_softmax`.
///
/// The sum of column c goes to lane c % 16 and the lanes are added as a fixed tree, so the bits depend on the row alone.
func softmaxRows(_ arguments: UnsafePointer<ht_softmax>) {
  let a = arguments.pointee
  let columns = Int(a.columns)
  let infinity = SIMD16<Float>(repeating: .infinity)
  var row = 0
  while row < Int(a.rows) {
    let values = a.values + row &* Int(a.row_stride)
    var lanes = -infinity
    var c = 0
    while c &+ 16 <= columns {
      lanes = ht_max16(lanes, ht_load16(values + c))
      c &+= 16
    }
    var largest = largestLane(lanes)
    while c < columns {
      largest = largest > values[c] ? largest : values[c]
      c &+= 1
    }
    let shift = SIMD16<Float>(repeating: largest)
    var sums = SIMD16<Float>(repeating: 0)
    c = 0
    while c &+ 16 <= columns {
      let power = exponential(ht_load16(values + c) - shift)
      sums += power
      ht_store16(values + c, power)
      c &+= 16
    }
    if c < columns {
      let rest = Int64(columns &- c)
      ht_store_first16(values + c, exponential(ht_load_first16(values + c, rest) - shift), rest)
      // Read back, so that the missing lanes add zero.
      sums += ht_load_first16(values + c, rest)
    }
    if a.numerators != 0 {
      row &+= 1
      continue
    }
    let inverse = SIMD16<Float>(repeating: 1 / sumOfLanes(sums))
    c = 0
    while c &+ 16 <= columns {
      ht_store16(values + c, ht_load16(values + c) * inverse)
      c &+= 16
    }
    if c < columns {
      let rest = Int64(columns &- c)
      ht_store_first16(values + c, ht_load_first16(values + c, rest) * inverse, rest)
    }
    row &+= 1
  }
}

/// Lanes i and i + 8 added, then 4, 2 and 1 apart.
@inline(__always) func sumOfLanes(_ v: SIMD16<Float>) -> Float {
  let eight = v.lowHalf + v.highHalf
  let four = eight.lowHalf + eight.highHalf
  return (four[0] + four[2]) + (four[1] + four[3])
}

@inline(__always) private func largestLane(_ v: SIMD16<Float>) -> Float {
  var largest = v[0]
  var lane = 1
  while lane < 16 {
    largest = largest > v[lane] ? largest : v[lane]
    lane &+= 1
  }
  return largest
}
