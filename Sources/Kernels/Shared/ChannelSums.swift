import CKernels

/// Per-channel sums of one image, pixel by pixel in row-major order. See `ht_channel_sums`.
func channelSums(_ arguments: UnsafePointer<ht_channel_sums>) {
  let a = arguments.pointee
  let channels = Int(a.channels)
  var c = 0
  while c &+ 64 <= channels {
    sumChannels(a, from: c)
    c &+= 64
  }
  while c < channels {
    let count = Int64(channels &- c < 16 ? channels &- c : 16)
    var centre = SIMD16<Float>(repeating: 0)
    if let centres = a.center { centre = ht_load_first16(centres + c, count) }
    var sum = SIMD16<Float>(repeating: 0)
    var y = 0
    while y < Int(a.height) {
      var pixel = a.source + y &* Int(a.row_stride) + c
      var x = 0
      while x < Int(a.width) {
        let difference = ht_load_first16(pixel, count) - centre
        sum = a.power == 1 ? sum + difference : ht_fma16(difference, difference, sum)
        pixel += Int(a.pixel_stride)
        x &+= 1
      }
      y &+= 1
    }
    ht_store_first16(a.out + c, sum, count)
    c &+= 16
  }
}

/// 64 channels at once: four accumulators hide the latency of the additions.
@inline(__always) private func sumChannels(_ a: ht_channel_sums, from c: Int) {
  let zero = SIMD16<Float>(repeating: 0)
  var (centre0, centre1, centre2, centre3) = (zero, zero, zero, zero)
  if let centres = a.center {
    centre0 = ht_load16(centres + c)
    centre1 = ht_load16(centres + c + 16)
    centre2 = ht_load16(centres + c + 32)
    centre3 = ht_load16(centres + c + 48)
  }
  var (sum0, sum1, sum2, sum3) = (zero, zero, zero, zero)
  var y = 0
  while y < Int(a.height) {
    var pixel = a.source + y &* Int(a.row_stride) + c
    var x = 0
    while x < Int(a.width) {
      let d0 = ht_load16(pixel) - centre0
      let d1 = ht_load16(pixel + 16) - centre1
      let d2 = ht_load16(pixel + 32) - centre2
      let d3 = ht_load16(pixel + 48) - centre3
      if a.power == 1 {
        sum0 += d0
        sum1 += d1
        sum2 += d2
        sum3 += d3
      } else {
        sum0 = ht_fma16(d0, d0, sum0)
        sum1 = ht_fma16(d1, d1, sum1)
        sum2 = ht_fma16(d2, d2, sum2)
        sum3 = ht_fma16(d3, d3, sum3)
      }
      pixel += Int(a.pixel_stride)
      x &+= 1
    }
    y &+= 1
  }
  ht_store16(a.out + c, sum0)
  ht_store16(a.out + c + 16, sum1)
  ht_store16(a.out + c + 32, sum2)
  ht_store16(a.out + c + 48, sum3)
}
