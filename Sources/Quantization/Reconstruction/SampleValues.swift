import Graphs
import Tensors

/// Values of graph nodes for many calibration samples, channels-last. Values that depend on the step and label alone are
/// kept once per distinct call.
final class SampleValues {
  private struct Rows {
    /// What keeps `base` alive.
    let owner: AnyObject
    let base: UnsafeMutablePointer<Float>
    let size: Int
    let isShared: Bool
  }

  /// Samples.
  let count: Int
  /// By sample: which distinct call it belongs to.
  let keys: [Int]
  let keyCount: Int
  /// Where rows lie; nil: in memory.
  private let folder: String?
  private var rows: [Int: Rows] = [:]

  init(keys: [Int], keyCount: Int, folder: String? = nil) {
    count = keys.count
    self.keys = keys
    self.keyCount = keyCount
    self.folder = folder
  }

  /// Makes room for a node's values. - Parameter shared: one row per key instead of one per sample.
  func reserve(_ node: Int, size: Int, shared: Bool) throws(KernelError) {
    if rows[node] != nil { return }
    let bytes = 4 * size * (shared ? keyCount : count)
    if let folder {
      let buffer = try DiskBuffer(byteCount: bytes, in: folder)
      rows[node] = Rows(owner: buffer, base: buffer.pointer(), size: size, isShared: shared)
    } else {
      let buffer = try AlignedBuffer(byteCount: bytes)
      rows[node] = Rows(owner: buffer, base: buffer.pointer(), size: size, isShared: shared)
    }
  }

  /// Takes a node's values from others of the same samples, which nobody changes from then on.
  func share(_ node: Int, of other: SampleValues) { rows[node] = other.rows[node] }

  func release(_ node: Int) { rows[node] = nil }

  /// A node's values for one sample.
  func row(_ node: Int, _ sample: Int) -> UnsafeMutablePointer<Float> {
    guard let rows = rows[node] else { preconditionFailure("node \(node) has no values") }
    return rows.base + (rows.isShared ? keys[sample] : sample) * rows.size
  }

  /// A node's value for one distinct call.
  func sharedRow(_ node: Int, key: Int) -> UnsafeMutablePointer<Float> {
    guard let rows = rows[node], rows.isShared else { preconditionFailure("node \(node) is not shared") }
    return rows.base + key * rows.size
  }

  func size(of node: Int) -> Int { rows[node]?.size ?? 0 }
}
