import CKernels

/// Integer weights cut for plain AVX2, column by column of 16 output channels.
///
/// The fastest product of AVX2 adds two products of bytes in 16 bits and saturates there. Codes go to 255, so weights of one sign
/// that are added in 16 bits may come to 128 together. How many groups of four inputs a column may gather before it widens its
/// sums depends on its weights alone; the few weights beyond that are cut, and what was cut off becomes an entry: four inputs
/// times half of the column, multiplied and widened by itself. The sum stays exact, so it is the same on every instruction set.
package struct GatheredColumns: Sendable {
  /// Output channels of a column.
  package static let width = 16

  private let columns: AlignedBuffer
  private let places: AlignedBuffer
  private let weights: AlignedBuffer

  /// Groups whose pair sums are added in 16 bits, for each column; 0 where cutting does not pay.
  package let gathers: [Int]
  /// Entries of all columns.
  package let entries: Int

  /// Cuts packed weights, [column][tap][group][16][4], in place.
  package init(cutting packed: UnsafeMutablePointer<Int8>, columns count: Int, groups: Int, taps: Int)
    throws(KernelError)
  {
    var cut = ColumnCut()
    var table: [ht_gathered_column] = []
    for column in 0..<count {
      let cutter = ColumnCutter(
        weights: packed + column * taps * groups * ColumnCut.groupSize, groups: groups, taps: taps)
      let gather = cutter.bestGather()
      var description = ht_gathered_column()
      description.gather = Int32(gather)
      description.low_begin = Int32(cut.entries)
      if gather > 0 { cutter.cut(half: 0, gather: gather, into: &cut) }
      description.high_begin = Int32(cut.entries)
      if gather > 0 { cutter.cut(half: 1, gather: gather, into: &cut) }
      description.end = Int32(cut.entries)
      table.append(description)
    }
    gathers = table.map { Int($0.gather) }
    entries = cut.entries
    columns = try Self.buffer(table)
    places = try Self.buffer(cut.places)
    weights = try Self.buffer(cut.weights)
  }

  private static func buffer<Element: BitwiseCopyable>(_ values: [Element]) throws(KernelError) -> AlignedBuffer {
    let buffer = try AlignedBuffer(byteCount: values.count * MemoryLayout<Element>.stride)
    buffer.pointer(Element.self, count: values.count).update(from: values, count: values.count)
    return buffer
  }

  package var byteCount: Int { columns.byteCount + places.byteCount + weights.byteCount }

  func set(in arguments: inout ht_convolution) {
    arguments.gathered_columns = UnsafePointer(columns.pointer(ht_gathered_column.self, count: gathers.count))
    arguments.excess_places = UnsafePointer(places.pointer(Int32.self))
    arguments.excess_weights = UnsafeRawPointer(weights.raw)
  }
}
