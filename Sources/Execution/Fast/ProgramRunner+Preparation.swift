import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// Where a preparation's result goes.
  struct Destination {
    let base: UnsafeMutableRawPointer
    let rowStride: Int
    let pixelStride: Int
    var elements = StoredElements.float
    /// What each channel is multiplied by before its code is taken; nil: ones.
    var factors: [Float]?

    func withFactors(_ body: (UnsafePointer<Float>?) -> Void) {
      guard let factors else { return body(nil) }
      factors.withUnsafeBufferPointer { body($0.baseAddress) }
    }
  }

  /// Writes a preparation's value densely, as Float.
  func materialize(_ preparation: Preparation, into target: BufferID) {
    let width = preparation.width * (preparation.upsamples ? 2 : 1)
    let channels = preparation.channels
    prepare(
      preparation,
      into: Destination(
        base: UnsafeMutableRawPointer(floats(target)), rowStride: width * channels, pixelStride: channels))
  }

  /// One pass over the sources: normalise, shift by the temporal feature, activate, upsample, store or quantise.
  func prepare(_ preparation: Preparation, into destination: Destination) {
    if let function = preparation.rowFunction { return prepareRows(preparation, function, into: destination) }
    let affine = channelAffine(preparation)
    let factor = preparation.upsamples ? 2 : 1
    let width = preparation.width * factor
    let pieces = preparation.pieces(splitAt: destination.elements.boundaries)
    // Cut like the convolutions that wrote the sources: a worker then finds what it reads in its own cache.
    let grid = WorkGrid(
      rows: preparation.height, blocks: PackedWeights.blocks(preparation.channels), workers: workers)
    destination.withFactors { factors in
      parallel(grid.pieces) { index in
        let (sourceRows, blocks) = grid.piece(index)
        let rows = (sourceRows.lowerBound * factor)..<(sourceRows.upperBound * factor)
        for piece in pieces.compactMap({ $0.part(inBlocks: blocks) }) {
          let start = rows.lowerBound * destination.rowStride + piece.offset
          var pass = ht_transform()
          let sourceRow = preparation.width * piece.segment.channels
          pass.source = UnsafePointer(
            floats(piece.segment.buffer) + sourceRows.lowerBound * sourceRow + piece.firstChannel)
          pass.source_row_stride = Int64(sourceRow)
          pass.source_pixel_stride = Int64(piece.segment.channels)
          pass.scale = affine.map { UnsafePointer($0.scale + piece.offset) }
          pass.shift = affine.map { UnsafePointer($0.shift + piece.offset) }
          pass.factor = factors.map { $0 + piece.offset }
          pass.destination = destination.base + start * destination.elements.size
          pass.destination_row_stride = Int64(destination.rowStride)
          pass.destination_pixel_stride = Int64(destination.pixelStride)
          pass.height = Int32(rows.count)
          pass.width = Int32(width)
          pass.channels = Int32(piece.channels)
          pass.upsample_shift = preparation.upsamples ? 1 : 0
          pass.activation = preparation.activation?.kernelCode ?? Int32(HT_ACTIVATION_NONE)
          pass.write(destination.elements, granule: piece.granule)
          kernels.transform(&pass)
        }
      }
    }
  }

  /// Normalisation and temporal scale-shift as one affine map per channel: x * scale + shift.
  private func channelAffine(
    _ preparation: Preparation
  ) -> (scale: UnsafeMutablePointer<Float>, shift: UnsafeMutablePointer<Float>)? {
    if preparation.norm == nil && preparation.scaleShift == nil { return nil }
    let channels = preparation.channels
    let scratch = floats(program.widestNorm)
    let (scale, shift) = (scratch, scratch + channels)
    if let norm = preparation.norm {
      groupAffine(preparation, norm, scale: scale, shift: shift)
    } else {
      scale.update(repeating: 1, count: channels)
      shift.update(repeating: 0, count: channels)
    }
    if let node = preparation.scaleShift {
      vector(node) { v in
        for c in 0..<channels {
          let factor = 1 + v[c]
          scale[c] *= factor
          shift[c] = v[channels + c].addingProduct(shift[c], factor)
        }
      }
    }
    return (scale, shift)
  }

  /// Group normalisation as an affine map per channel.
  private func groupAffine(
    _ preparation: Preparation, _ norm: Preparation.Norm, scale: UnsafeMutablePointer<Float>,
    shift: UnsafeMutablePointer<Float>
  ) {
    let channels = preparation.channels
    let sums = floats(program.widestNorm) + 2 * channels
    let centers = sums + channels
    var moments = GroupMoments(
      channels: channels, pixels: preparation.height * preparation.width, groups: norm.groups)
    channelSums(preparation, power: 1, center: nil, out: sums)
    moments.setMeans(sums)
    moments.writeCenters(to: centers)
    channelSums(preparation, power: 2, center: UnsafePointer(centers), out: sums)
    moments.setInverses(sums, epsilon: norm.epsilon)
    moments.writeAffine(gamma: norm.scale, beta: norm.shift, centers: centers, scale: scale, shift: shift)
  }

  private func channelSums(
    _ preparation: Preparation, power: Int32, center: UnsafePointer<Float>?, out: UnsafeMutablePointer<Float>
  ) {
    var offset = 0
    for segment in preparation.segments {
      // Workers take whole groups of 16 channels: a channel's sum runs over pixels in one fixed order.
      split((segment.channels + 15) / 16) { blocks in
        let first = blocks.lowerBound * 16
        let last = min(blocks.upperBound * 16, segment.channels)
        var sums = ht_channel_sums(
          source: UnsafePointer(floats(segment.buffer) + first),
          row_stride: Int64(preparation.width * segment.channels), pixel_stride: Int64(segment.channels),
          height: Int32(preparation.height), width: Int32(preparation.width), channels: Int32(last - first),
          power: power, center: center.map { $0 + offset + first }, out: out + offset + first)
        kernels.channelSums(&sums)
      }
      offset += segment.channels
    }
  }
}
