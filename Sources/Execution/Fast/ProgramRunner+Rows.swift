import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// One pass over rows whose channels are taken together: tokens of a sequence, or pixels.
  func prepareRows(_ preparation: Preparation, _ function: Preparation.RowFunction, into destination: Destination) {
    let channels = preparation.channels
    let width = preparation.segments[0].channels
    let source = UnsafePointer(floats(preparation.segments[0].buffer))
    let (elementSize, boundaries) = (destination.elements.size, destination.elements.boundaries)
    destination.withFactors { factors in
      split(preparation.height * preparation.width) { rows in
        var out = ht_row_store()
        out.destination = destination.base + rows.lowerBound * destination.pixelStride * elementSize
        out.row_stride = Int64(destination.pixelStride)
        out.factor = factors
        var start = 0
        for (granule, end) in (boundaries + [channels]).enumerated() {
          (out.first, out.count) = (Int32(start), Int32(end - start))
          out.write(destination.elements, granule: granule)
          run(function, source + rows.lowerBound * width, rows: rows.count, channels: channels, out)
          start = end
        }
      }
    }
  }

  private func run(
    _ function: Preparation.RowFunction, _ source: UnsafePointer<Float>, rows: Int, channels: Int, _ out: ht_row_store
  ) {
    switch function {
    case .layerNorm(let scale, let shift, let epsilon):
      scale.withUnsafeBufferPointer { scale in
        shift.withUnsafeBufferPointer { shift in
          var pass = ht_layer_norm(
            source: source, scale: scale.baseAddress, shift: shift.baseAddress, rows: Int32(rows),
            channels: Int32(channels), epsilon: epsilon, out: out)
          kernels.layerNorm(&pass)
        }
      }
    case .geglu:
      var pass = ht_geglu(source: source, rows: Int32(rows), channels: Int32(channels), out: out)
      kernels.geglu(&pass)
    }
  }
}

extension ht_row_store: ElementWriter {
  /// Dense rows of Float.
  init(_ target: UnsafeMutablePointer<Float>, channels: Int) {
    self.init()
    destination = UnsafeMutableRawPointer(target)
    row_stride = Int64(channels)
    count = Int32(channels)
  }
}
