import CKernels

/// The rate at which the machine multiplies at this moment: the convolution kernels on a tile that stays in the first-level
/// cache, on every worker at once. Other work on the machine, lower clocks and throttling show in it, so a measurement
/// between two probes of the best rate seen was undisturbed.
package struct PeakProbe {
  /// A multiple of every kernel's tile in each row, and of AMX's in two.
  private static let width = 48
  /// Turns of one probe: a millisecond or two.
  private static let turns = 200

  private let pool: WorkerPool
  private let kernels: KernelTable
  private let isInteger: Bool
  private let rows: Int
  private let channels: Int
  /// All at offset 0: long sums over little memory, so that starting and storing them costs nothing.
  private let taps: Int
  private let weights: PackedWeights
  private let buffers: [AlignedBuffer]

  package init(integer: Bool, pool: WorkerPool, kernels: KernelTable) throws {
    self.pool = pool
    self.kernels = kernels
    isInteger = integer
    (rows, channels, taps) = integer ? (2, 64, 8) : (1, 32, 4)
    let (outputs, count) = (PackedWeights.blockWidth, PackedWeights.blockWidth * channels * taps)
    weights =
      integer
      ? try .integer(
        [Int8](repeating: 1, count: count), outputChannels: outputs, inputChannels: channels, taps: taps,
        layout: kernels.instructionSet.integerLayout)
      : try .float(
        [Float](repeating: 1, count: count), outputChannels: outputs, inputChannels: channels, taps: taps)
    let bytes = (rows * Self.width * channels + Self.width * outputs + 3 * outputs) * MemoryLayout<Float>.size
    buffers = try (0..<pool.threads).map { _ in try AlignedBuffer(byteCount: bytes) }
  }

  /// Multiply-accumulates per second over all workers.
  package func rate() -> Double {
    let seconds =
      ContinuousClock().measure {
        pool.parallel(pool.threads) { worker in run(buffers[worker]) }
      } / .seconds(1)
    return Double(Self.turns * pool.threads * rows * Self.width * channels * taps * PackedWeights.blockWidth) / seconds
  }

  private func run(_ buffer: AlignedBuffer) {
    let outputs = PackedWeights.blockWidth
    let output = buffer.raw.assumingMemoryBound(to: Float.self) + rows * Self.width * channels
    let vectors = output + Self.width * outputs
    [Int32](repeating: 0, count: taps).withUnsafeBufferPointer { offsets in
      var tile = ht_convolution()
      tile.input = UnsafeRawPointer(buffer.raw)
      tile.tap_offsets = offsets.baseAddress
      weights.set(in: &tile)
      tile.input_row_stride = Int64(Self.width * channels)
      tile.input_pixel_stride = Int64(channels)
      tile.bias = UnsafePointer(vectors)
      if isInteger {
        tile.scale = UnsafePointer(vectors + outputs)
        tile.start = UnsafeRawPointer(vectors + 2 * outputs).assumingMemoryBound(to: Int32.self)
      }
      // Every row of results is written over the one before.
      tile.output = output
      tile.output_pixel_stride = Int64(outputs)
      tile.width = Int32(Self.width)
      tile.output_channels = Int32(outputs)
      tile.row_end = Int32(rows)
      tile.block_end = 1
      for _ in 0..<Self.turns {
        if isInteger { kernels.convolveU8S8(&tile) } else { kernels.convolveF32(&tile) }
      }
    }
  }
}
