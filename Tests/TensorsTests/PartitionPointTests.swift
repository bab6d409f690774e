import Tensors
import Testing

@Suite struct PartitionPointTests {
  @Test func itIsTheFirstElementThatMeetsTheCondition() {
    for count in 0...9 {
      let numbers = (0..<count).map { 10 * $0 }
      for bound in -1...(10 * count + 1) {
        let expected = numbers.firstIndex { $0 >= bound } ?? numbers.endIndex
        #expect(numbers.partitionPoint { $0 >= bound } == expected)
        // Indices of a slice are those of the whole.
        #expect(numbers.dropFirst(2).partitionPoint { $0 >= bound } == max(expected, min(2, count)))
      }
    }
    #expect((0..<Int.max).partitionPoint { $0 >= Int.max - 5 } == Int.max - 5)
  }
}
