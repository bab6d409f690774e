import Evaluation
import Testing

@Suite struct ImageIndexSetTests {
  private let set = ImageIndexSet([3, 4, 5, 63, 64, 200])

  @Test func rangesAndGaps() {
    #expect(set.ranges == [3...5, 63...64, 200...200])
    #expect(set.gaps == [0...2, 6...62, 65...199])
    #expect(set.count == 6)
    #expect(ImageIndexSet().ranges == [] && ImageIndexSet().gaps == [])
    #expect(ImageIndexSet(0..<64).gaps == [] && ImageIndexSet(0..<64).ranges == [0...63])
    #expect(ImageIndexSet(0..<65).ranges == [0...64])
  }

  @Test func equalSetsAreEqualValues() {
    var union = ImageIndexSet([64, 200, 5])
    union.formUnion(ImageIndexSet([63, 4, 3]))
    #expect(union == set)
    #expect(ImageIndexSet([1, 500]).intersection(ImageIndexSet([1, 501])) == ImageIndexSet([1]))
    #expect(ImageIndexSet([500]).intersection(ImageIndexSet([501])).isEmpty)
  }

  @Test func bytesAreLittleEndianBits() {
    #expect(ImageIndexSet([0, 9]).bytes == [1, 2])
    #expect(ImageIndexSet(bytes: set.bytes) == set)
    #expect(ImageIndexSet(bytes: [1, 2, 0, 0]) == ImageIndexSet([0, 9]))
    #expect(ImageIndexSet(bytes: [UInt8](repeating: 0, count: ImageIndexSet.limit / 8 + 1)) == nil)
  }

  @Test func textNamesInclusiveRangesAndShortensLongLists() {
    #expect(ImageIndexSet.text(set.ranges) == "3-5, 63-64, 200")
    #expect(ImageIndexSet.text([1...1, 3...3, 5...6], shown: 2) == "1, 3 and 1 more ranges")
  }
}
