/// Places buffers with known lifetimes in one arena so that those alive together do not overlap.
///
/// First fit by decreasing size, which for these straight-line programs stays within a few per cent of the peak of what
/// is alive at once.
struct ArenaPlanner {
  private struct Entry {
    let bytes: Int
    var first: Int
    var last: Int
  }
  private var entries: [Entry] = []

  /// A buffer written first at `step`. Bytes are rounded up to whole cache lines.
  mutating func reserve(bytes: Int, at step: Int) -> BufferID {
    entries.append(Entry(bytes: (bytes + 63) & ~63, first: step, last: step))
    return BufferID(index: entries.count - 1)
  }

  /// The buffer is read or written at `step` too.
  mutating func touch(_ buffer: BufferID, at step: Int) {
    entries[buffer.index].first = min(entries[buffer.index].first, step)
    entries[buffer.index].last = max(entries[buffer.index].last, step)
  }

  /// Byte offset of every buffer, and the arena's size.
  func place() -> (offsets: [Int], bytes: Int) {
    var offsets = [Int](repeating: 0, count: entries.count)
    var placed: [Int] = []
    for index in entries.indices.sorted(by: { (entries[$0].bytes, $1) > (entries[$1].bytes, $0) }) {
      let entry = entries[index]
      let neighbours = placed.filter { entries[$0].first <= entry.last && entry.first <= entries[$0].last }
        .sorted { offsets[$0] < offsets[$1] }
      var offset = 0
      for other in neighbours {
        if offset + entry.bytes <= offsets[other] { break }
        offset = max(offset, offsets[other] + entries[other].bytes)
      }
      offsets[index] = offset
      placed.append(index)
    }
    return (offsets, entries.indices.map { offsets[$0] + entries[$0].bytes }.max() ?? 0)
  }
}
