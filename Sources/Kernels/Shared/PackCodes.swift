import CKernels

/// Packs the right operand of an integer attention product. See `ht_pack_codes`.
func packCodes(_ arguments: UnsafePointer<ht_pack_codes>) {
  let a = arguments.pointee
  let (outputs, inputs) = (Int(a.output_channels), Int(a.input_channels))
  let groups = (inputs &+ 3) >> 2
  let width = 2 &* laneCount
  let padded = (outputs &+ 31) & ~31
  var first = 0
  while first < padded {
    let start = a.start + first
    var o = 0
    while o < width {
      start[o] = 0
      o &+= 1
    }
    let present = max(min(outputs &- first, width), 0)
    var group = 0
    while group < groups {
      let target = a.destination + (first &* groups &+ group &* width) &* 4
      let source = a.source + first &* Int(a.output_stride) + group &* 4 &* Int(a.input_stride)
      if present == width && group &* 4 &+ 4 <= inputs {
        packWhole(a, source, target)
      } else {
        packPart(a, source, target, outputs: present, inputs: min(inputs &- group &* 4, 4))
      }
      addSums(target, start)
      group &+= 1
    }
    o = 0
    while o < width {
      start[o] = 0 &- a.left_zero_point &* start[o]
      o &+= 1
    }
    first &+= width
  }
}

/// Four inputs of a column's outputs.
@inline(__always) private func packWhole(
  _ a: ht_pack_codes, _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>
) {
  var o = 0
  if a.output_stride == 1 {
    let stride = Int(a.input_stride)
    let (p1, p2, p3) = (source + stride, source + 2 &* stride, source + 3 &* stride)
    while o < 2 &* laneCount {
      ht_store_ints16(target + 4 &* o, ht_interleave_codes16(source + o, p1 + o, p2 + o, p3 + o))
      o &+= 16
    }
  } else {
    while o < 2 &* laneCount {
      let four = ht_four_bytes(source + o &* Int(a.output_stride)) ^ Int32(bitPattern: 0x8080_8080)
      UnsafeMutableRawPointer(target + 4 &* o).storeBytes(of: four, as: Int32.self)
      o &+= 1
    }
  }
}

/// What is missing of the four inputs and of the column is zero.
@inline(never) private func packPart(
  _ a: ht_pack_codes, _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, outputs: Int, inputs: Int
) {
  var o = 0
  while o < 2 &* laneCount {
    var i = 0
    while i < 4 {
      let isPresent = o < outputs && i < inputs
      target[4 &* o &+ i] = isPresent ? source[o &* Int(a.output_stride) &+ i &* Int(a.input_stride)] ^ 0x80 : 0
      i &+= 1
    }
    o &+= 1
  }
}

/// Adds each output's four weights to its sum.
@inline(__always) private func addSums(_ weights: UnsafePointer<UInt8>, _ sums: UnsafeMutablePointer<Int32>) {
  var o = 0
  while o < 2 &* laneCount {
    let four = ht_four_bytes(weights + 4 &* o)
    sums[o] = sums[o] &+ ((four << 24) >> 24) &+ ((four << 16) >> 24) &+ ((four << 8) >> 24) &+ (four >> 24)
    o &+= 1
  }
}
