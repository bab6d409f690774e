import Graphs
import Synchronization
import Tensors

/// What an observer will be shown of one image: copies of the values at its sites, in the graph's order of axes.
final class SiteCollector: Sendable {
  struct Entry: Sendable {
    let site: Site
    let dims: [Int]
    let values: [Float]
  }
  private let collected = Mutex<[Entry]>([])

  /// In execution order.
  var entries: [Entry] { collected.withLock { $0 } }

  func add(_ value: ObservedValue) {
    let count = value.dims.reduce(1, *)
    let channels = value.dims.count == 3 ? value.dims[0] : value.dims.last ?? 1
    let pixels = count / max(channels, 1)
    var values: [Float]
    if !value.isChannelsLast {
      values = Array(UnsafeBufferPointer(start: value.base, count: count))
    } else {
      values = [Float](repeating: 0, count: count)
      for pixel in 0..<pixels {
        let source = value.base + (pixel / value.width) * value.rowStride + (pixel % value.width) * value.pixelStride
        for channel in 0..<channels {
          // Tokens keep channels last, as the graph has them; images have channels first.
          values[value.dims.count == 3 ? channel * pixels + pixel : pixel * channels + channel] = source[channel]
        }
      }
    }
    let entry = Entry(site: value.site, dims: value.dims, values: values)
    collected.withLock { $0.append(entry) }
  }
}
