import CKernels

/// The rate at which the machine multiplies at this moment: the convolution kernels on a tile that stays in the first-level
/// cache, on every worker at once. Other work on the machine, lower clocks and throttling show in it, so a measurement
/// between two probes of the best rate seen was undisturbed.
package struct PeakProbe {
  private static let pixels = 48
  private static let channels = 32
  /// All at offset 0: long sums over little memory, so that starting and storing them costs nothing.
  private static let taps = (float: 4, integer: 16)
  /// Turns of one probe: about a millisecond.
  private static let turns = (float: 200, integer: 200)

  private let pool: WorkerPool
  private let kernels: KernelTable
  private let isInteger: Bool
  private let taps: Int
  private let weights: PackedWeights
  private let buffers: [AlignedBuffer]

  package init(integer: Bool, pool: WorkerPool, kernels: KernelTable) throws {
    self.pool = pool
    self.kernels = kernels
    isInteger = integer
    taps = integer ? Self.taps.integer : Self.taps.float
    let (outputs, count) = (PackedWeights.blockWidth, PackedWeights.blockWidth * Self.channels * taps)
    weights =
      integer
      ? try .integer(
        [Int8](repeating: 1, count: count), outputChannels: outputs, inputChannels: Self.channels, taps: taps,
        layout: kernels.instructionSet.integerLayout)
      : try .float(
        [Float](repeating: 1, count: count), outputChannels: outputs, inputChannels: Self.channels, taps: taps)
    let bytes = Self.pixels * (Self.channels + outputs) * MemoryLayout<Float>.size + 4 * outputs * 3
    buffers = try (0..<pool.threads).map { _ in try AlignedBuffer(byteCount: bytes) }
  }

  /// Multiply-accumulates per second over all workers.
  package func rate() -> Double {
    let turns = isInteger ? Self.turns.integer : Self.turns.float
    let seconds =
      ContinuousClock().measure {
        pool.parallel(pool.threads) { worker in run(buffers[worker], turns: turns) }
      } / .seconds(1)
    return Double(turns * pool.threads * Self.pixels * Self.channels * taps * PackedWeights.blockWidth) / seconds
  }

  private func run(_ buffer: AlignedBuffer, turns: Int) {
    let outputs = PackedWeights.blockWidth
    let floats = buffer.raw.assumingMemoryBound(to: Float.self)
    [Int32](repeating: 0, count: taps).withUnsafeBufferPointer { offsets in
      var tile = ht_convolution()
      tile.input = UnsafeRawPointer(buffer.raw)
      tile.tap_offsets = offsets.baseAddress
      weights.set(in: &tile)
      tile.input_row_stride = Int64(Self.pixels * Self.channels)
      tile.input_pixel_stride = Int64(Self.channels)
      let vectors = floats + Self.pixels * (Self.channels + outputs)
      tile.bias = UnsafePointer(vectors)
      if isInteger {
        tile.scale = UnsafePointer(vectors + outputs)
        tile.start = UnsafeRawPointer(vectors + 2 * outputs).assumingMemoryBound(to: Int32.self)
      }
      tile.output = floats + Self.pixels * Self.channels
      tile.output_row_stride = Int64(Self.pixels * outputs)
      tile.output_pixel_stride = Int64(outputs)
      tile.width = Int32(Self.pixels)
      tile.output_channels = Int32(outputs)
      tile.row_end = 1
      tile.block_end = 1
      for _ in 0..<turns {
        if isInteger { kernels.convolveU8S8(&tile) } else { kernels.convolveF32(&tile) }
      }
    }
  }
}
