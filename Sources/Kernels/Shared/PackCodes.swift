import CKernels

/// Packs the right operand of an integer attention product. See `ht_pack_codes`.
package func packCodes(_ arguments: UnsafePointer<ht_pack_codes>) {
  let a = arguments.pointee
  let (outputs, inputs) = (Int(a.output_channels), Int(a.input_channels))
  let groups = (inputs &+ 3) >> 2
  var block = 0
  while block &* 32 < outputs {
    var o = 0
    while o < 32 {
      a.start[block &* 32 &+ o] = 0
      o &+= 1
    }
    let destination = a.destination + block &* groups &* 128
    let present = min(outputs &- block &* 32, 32)
    var group = 0
    while group < groups {
      let target = destination + group &* 128
      let source = a.source + block &* 32 &* Int(a.output_stride) + group &* 4 &* Int(a.input_stride)
      if present == 32 && group &* 4 &+ 4 <= inputs {
        packWhole(a, source, target)
      } else {
        packPart(a, source, target, outputs: present, inputs: min(inputs &- group &* 4, 4))
      }
      addSums(target, a.start + block &* 32)
      group &+= 1
    }
    o = 0
    while o < 32 {
      a.start[block &* 32 &+ o] = 0 &- a.left_zero_point &* a.start[block &* 32 &+ o]
      o &+= 1
    }
    block &+= 1
  }
}

/// Four inputs of 32 outputs.
@inline(__always) private func packWhole(
  _ a: ht_pack_codes, _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>
) {
  if a.output_stride == 1 {
    let stride = Int(a.input_stride)
    let (p1, p2, p3) = (source + stride, source + 2 &* stride, source + 3 &* stride)
    ht_store_ints16(target, ht_interleave_codes16(source, p1, p2, p3))
    ht_store_ints16(target + 64, ht_interleave_codes16(source + 16, p1 + 16, p2 + 16, p3 + 16))
  } else {
    var o = 0
    while o < 32 {
      let four = ht_four_bytes(source + o &* Int(a.output_stride)) ^ Int32(bitPattern: 0x8080_8080)
      UnsafeMutableRawPointer(target + 4 &* o).storeBytes(of: four, as: Int32.self)
      o &+= 1
    }
  }
}

/// What is missing of the four inputs and the 32 outputs is zero.
@inline(never) private func packPart(
  _ a: ht_pack_codes, _ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>, outputs: Int, inputs: Int
) {
  var o = 0
  while o < 32 {
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
  while o < 32 {
    let four = ht_four_bytes(weights + 4 &* o)
    sums[o] = sums[o] &+ ((four << 24) >> 24) &+ ((four << 16) >> 24) &+ ((four << 8) >> 24) &+ (four >> 24)
    o &+= 1
  }
}
