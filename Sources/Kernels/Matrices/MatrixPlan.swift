import CKernels

/// How the pixels and products of one call fall into matrix registers.
///
/// A register's rows are pixels that lie equally far apart. Those of one row do. So do those of all rows where a row of the input is a
/// whole number of pixels long: then sums between two rows' ends are computed too, and not stored. And a register's columns are bytes of
/// input that lie side by side: the channels of a tap, and of the next taps where these continue them.
struct MatrixPlan {
  /// Pixels in a range of those that are equally far apart.
  let length: Int
  /// Pixels that are stored side by side, and how many there are from one of these rows to the next.
  let width: Int, period: Int
  /// In a register.
  let pixels: Int, bytes: Int
  /// Registers of pixels in all ranges.
  let registers: Int
  /// Sequences of taps whose input lies side by side, and the taps of each.
  let runs: Int, runTaps: Int
  /// Registers a sequence fills.
  let steps: Int

  @inline(__always) init(_ a: ht_convolution, elementBytes: Int) {
    let rows = Int(a.row_end) &- Int(a.row_begin)
    let width = Int(a.width)
    let (pixelStride, rowStride) = (Int(a.input_pixel_stride), Int(a.input_row_stride))
    let apart = rowStride % pixelStride == 0 ? rowStride / pixelStride : 0
    let together = (rows &- 1) &* apart &+ width
    let single = rows &* Self.registers(width)
    if rows == 1 || (apart >= width && Self.registers(together) <= single) {
      (length, registers) = (together, Self.registers(together))
      // Without gaps in the output, either, there are no rows.
      let isWhole = apart == width && a.output_row_stride == a.output_pixel_stride &* Int64(width)
      (self.width, period) = isWhole || rows == 1 ? (together, together) : (width, apart)
    } else {
      (length, registers) = (width, single)
      (self.width, period) = (width, width)
    }
    pixels = min(length, 16)

    runTaps = Self.tapsSideBySide(a)
    runs = Int(a.taps) / runTaps
    let runBytes = runTaps &* Int(a.input_channels) &* elementBytes
    var bytes = min(runBytes, 64)
    while runBytes % bytes != 0 { bytes &-= 4 }
    self.bytes = bytes
    steps = runBytes / bytes
  }

  /// Registers for so many pixels equally far apart.
  @inline(__always) private static func registers(_ pixels: Int) -> Int { (pixels &+ 15) / 16 }

  /// The most taps that are a divisor of all and continue each other, sequence by sequence.
  @inline(__always) private static func tapsSideBySide(_ a: ht_convolution) -> Int {
    let taps = Int(a.taps)
    func continues(_ tap: Int) -> Bool { a.tap_offsets[tap] == a.tap_offsets[tap &- 1] &+ a.input_channels }
    var count = 1
    while count < taps && continues(count) { count &+= 1 }
    if taps % count != 0 { return 1 }
    var tap = count
    while tap < taps {
      if tap % count != 0 && !continues(tap) { return 1 }
      tap &+= 1
    }
    return count
  }

  /// Whether registers are full enough: half of the time that vectors need, or less. A register takes 16 clocks whatever it holds;
  /// two vectors of 16 sums take four channels a clock.
  @inline(__always) func pays(_ a: ht_convolution) -> Bool {
    let clocks = registers &* runs &* steps &* 32
    let vectors = (Int(a.row_end) &- Int(a.row_begin)) &* Int(a.width) &* Int(a.taps) &* Int(a.input_channels) / 4
    return 2 &* clocks <= vectors
  }
}
