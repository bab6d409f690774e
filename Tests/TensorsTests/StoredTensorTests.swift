import Tensors
import Testing

@Suite struct StoredTensorTests {
  /// Of every integer type, the largest value that Double holds exactly too.
  @Test func integersAreReadAsTheNumbersThatTheyAre() {
    func numbers<T: FixedWidthInteger>(_ type: ElementType, _ values: [T]) -> [Double] {
      let bytes = values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
      return StoredTensor(type: type, dims: [values.count], bytes: bytes).doubles()
    }
    #expect(numbers(.u8, [0, 255] as [UInt8]) == [0, 255])
    #expect(numbers(.i8, [-128, 127] as [Int8]) == [-128, 127])
    #expect(numbers(.u16, [1, .max] as [UInt16]) == [1, 65535])
    #expect(numbers(.i16, [.min, 3] as [Int16]) == [-32768, 3])
    #expect(numbers(.u32, [1, .max] as [UInt32]) == [1, 4_294_967_295])
    #expect(numbers(.i32, [.min, 3] as [Int32]) == [-2_147_483_648, 3])
    #expect(numbers(.u64, [3, 1 << 53] as [UInt64]) == [3, 0x1p53])
    #expect(numbers(.i64, [-3, 1 << 53] as [Int64]) == [-3, 0x1p53])
  }
}
