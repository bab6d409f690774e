import Tensors

extension MemoryError {
  /// Memory that the system refused to a library of others (libpng, libjpeg, zlib), which says so.
  /// - Parameter what: what it was doing, as in "decoding a PNG image".
  init(refused bytes: Int, for what: String) {
    self.init(what: what, needed: bytes, room: MemoryBudget.room())
  }
}
