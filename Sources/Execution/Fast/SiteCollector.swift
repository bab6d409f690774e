import Graphs
import Synchronization
import Tensors

/// What an observer will be shown of one image: copies of the values at its sites, in the graph's order of axes.
final class SiteCollector: Sendable {
  struct Entry: Sendable {
    let site: Site
    let shape: Shape
    let values: [Float]
  }
  private let collected = Mutex<[Entry]>([])

  /// In execution order.
  var entries: [Entry] { collected.withLock { $0 } }

  func add(_ value: ObservedValue) {
    let (count, channels) = (value.shape.count, value.shape.channels)
    let pixels = value.shape.positions
    var values: [Float]
    if !value.isChannelsLast {
      values = Array(UnsafeBufferPointer(start: value.base, count: count))
    } else {
      let isImage = value.shape.image != nil
      values = [Float](repeating: 0, count: count)
      for pixel in 0..<pixels {
        let source = value.base + (pixel / value.width) * value.rowStride + (pixel % value.width) * value.pixelStride
        for channel in 0..<channels {
          // Tokens keep channels last, as the graph has them; images have channels first.
          values[isImage ? channel * pixels + pixel : pixel * channels + channel] = source[channel]
        }
      }
    }
    let entry = Entry(site: value.site, shape: value.shape, values: values)
    collected.withLock { $0.append(entry) }
  }
}
