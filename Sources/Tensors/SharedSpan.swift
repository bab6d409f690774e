/// Memory that several threads work on: a pointer and a count that may cross threads.
///
/// The one unchecked wrapper of the project. What makes its use sound: whoever makes a span keeps the memory alive until
/// the work is done (`WorkerPool.parallel` returns only then), and parallel work writes disjoint elements, because it is
/// always split over outputs.
package struct SharedSpan<Element>: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Element>
  package let count: Int

  package init(_ base: UnsafeMutablePointer<Element>, count: Int) {
    self.base = base
    self.count = count
  }

  /// For memory that the work only reads.
  package init(reading base: UnsafePointer<Element>, count: Int) {
    self.init(UnsafeMutablePointer(mutating: base), count: count)
  }

  @inlinable package subscript(index: Int) -> Element {
    get { base[index] }
    nonmutating set { base[index] = newValue }
  }
}
