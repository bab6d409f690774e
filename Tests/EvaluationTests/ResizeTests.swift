import Evaluation
import Formats
import Tensors
import TestSupport
import Testing

/// Resizing against Pillow's, on one plane of 47x61 levels (Tests/Fixtures/inception/make_inception.py).
@Suite struct ResizeTests {
  private let golden: TensorArchive
  private let plane: [UInt8]
  init() throws {
    golden = try NPZ.read(Fixtures.path("inception/resize.npz"))
    plane = try #require(golden.tensors["plane"]).bytes
  }

  private func resized(_ pixels: [UInt8], _ channels: Int, _ size: [Int]) -> [Float] {
    BicubicResize.resized(
      pixels, shape: ImageShape(channels: channels, height: 47, width: 61), height: size[0], width: size[1])
  }

  /// Bit for bit: enlarged, shrunk, one axis left alone, and a strip.
  @Test(arguments: [[70, 90], [19, 23], [20, 61], [47, 17]])
  func bicubicHasPillowsBits(_ size: [Int]) throws {
    let expected = try #require(golden.tensors["\(size[0])x\(size[1])"]?.floats())
    #expect(expected.dims == size)
    let found = resized(plane, 1, size)
    #expect(found.indices.count { found[$0] != expected.values[$0] } == 0)
    // A channel among others.
    let colours = plane.flatMap { (level: UInt8) -> [UInt8] in [level, 255 - level, 7] }
    let same = resized(colours, 3, size) == found
    #expect(same)
  }

  /// Where the height shrinks much more than the width, newer versions of Pillow do columns first: the same sums, rounded to
  /// Float in between in another order.
  @Test func anotherOrderOfPassesRoundsOtherwise() throws {
    let expected = try #require(golden.tensors["11x200"]?.floats())
    #expect(relativeError(resized(plane, 1, [11, 200]), expected.values) <= 2e-7)
  }
}
