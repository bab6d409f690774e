import Tensors
import Testing

@Suite("Per-element arithmetic")
struct LinearCombinationTests {
  static let x = Tensor([2, 2], [1, -2, 3, 0.5])
  static let y = Tensor([2, 2], [4, 5, -6, 0.25])
  static let z = Tensor([2, 2], [1, 1, 2, -2])

  @Test("two and three terms")
  func combinations() {
    #expect(Tensor.combining(2, Self.x, -1, Self.y).values == [-2, -9, 12, 0.75])
    #expect(Tensor.combining(2, Self.x, -1, Self.y, 0.5, Self.z).values == [-1.5, -8.5, 13, -0.25])
    #expect(Tensor.combining(1, Self.x, 0, Self.y) == Self.x)
  }

  /// 1e8 (x - y) with x and y a Float apart: rounding the products to Float first would lose the difference.
  @Test("rounds once")
  func roundsOnce() {
    let x = Tensor([1], [1])
    let y = Tensor([1], [Float(1).nextUp])
    #expect(Tensor.combining(100_000_001, x, -100_000_001, y).values == [Float(-100_000_001 * 0x1p-23)])
  }

  @Test("clamping keeps what is inside, and NaN")
  func clamping() {
    let clamped = Tensor([5], [-2, -1, 0.5, 3, .nan]).clamped(to: 1)
    #expect(Array(clamped.values[..<4]) == [-1, -1, 0.5, 1])
    #expect(clamped.values[4].isNaN)
  }

  @Test("channel halves")
  func halves() {
    let tensor = Tensor([2, 4, 1, 2], (0..<16).map(Float.init))
    let (first, second) = tensor.channelHalves()
    #expect(first == Tensor([2, 2, 1, 2], [0, 1, 2, 3, 8, 9, 10, 11]))
    #expect(second == Tensor([2, 2, 1, 2], [4, 5, 6, 7, 12, 13, 14, 15]))
  }
}
