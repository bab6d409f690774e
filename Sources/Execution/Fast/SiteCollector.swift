import Graphs
import Synchronization
import Tensors

/// What an observer will be shown of one image: copies of the values at its sites, in the graph's order of axes, or their
/// extremes.
final class SiteCollector: Sendable {
  struct Entry: Sendable {
    let site: Site
    let shape: Shape
    let content: Content
  }
  enum Content: Sendable {
    case values([Float])
    case extremes(SiteExtremes)
  }
  private let collected = Mutex<[Entry]>([])
  private let wantsExtremes: Bool

  /// - Parameter wantsExtremes: whether values are looked through where they lie, instead of copied.
  init(wantsExtremes: Bool) { self.wantsExtremes = wantsExtremes }

  /// In execution order.
  var entries: [Entry] { collected.withLock { $0 } }

  func add(_ value: ObservedValue) {
    let content = wantsExtremes ? Content.extremes(SiteExtremes(value)) : .values(Self.copy(of: value))
    collected.withLock { $0.append(Entry(site: value.site, shape: value.shape, content: content)) }
  }

  private static func copy(of value: ObservedValue) -> [Float] {
    let (count, channels) = (value.shape.count, value.shape.channels)
    let pixels = value.shape.positions
    if !value.isChannelsLast { return Array(UnsafeBufferPointer(start: value.base, count: count)) }
    let isImage = value.shape.image != nil
    var values = [Float](repeating: 0, count: count)
    for pixel in 0..<pixels {
      let source = value.base + (pixel / value.width) * value.rowStride + (pixel % value.width) * value.pixelStride
      for channel in 0..<channels {
        // Tokens keep channels last, as the graph has them; images have channels first.
        values[isImage ? channel * pixels + pixel : pixel * channels + channel] = source[channel]
      }
    }
    return values
  }
}
