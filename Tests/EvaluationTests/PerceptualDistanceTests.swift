import Evaluation
import Execution
import Formats
import Tensors
import TestSupport
import Testing

@Suite struct PerceptualDistanceTests {
  /// Two channels at two positions: directions, not lengths, count; depths add up.
  @Test func analyticValues() {
    // Positions (1, 0) and (0, 2) against (3, 0), equal in direction, and (5, 0), at a right angle: 0 and 2.
    let a = Tensor([1, 2, 1, 2], [1, 0, 0, 2])
    let b = Tensor([1, 2, 1, 2], [3, 5, 0, 0])
    #expect(abs(PerceptualDistance.distances(reference: [a], other: [b])[0] - 1) < 1e-9)
    #expect(abs(PerceptualDistance.distances(reference: [a, a], other: [b, a])[0] - 1) < 1e-9)
    // A position without any activation has no direction, and is at distance 1 from any.
    let empty = Tensor([1, 2, 1, 2])
    #expect(abs(PerceptualDistance.distances(reference: [a], other: [empty])[0] - 1) < 1e-9)
    #expect(PerceptualDistance.distances(reference: [empty], other: [empty]) == [0])
  }

  /// The embedded classifier's maps: nearer images are nearer, and a pair's distance does not depend on its batch.
  @Test func mapsOfTheEmbeddedClassifier() throws {
    let path = Fixtures.path("../../models/fashion-mnist-classifier/model.safetensors")
    let extractor = try FashionMNISTClassifier.definition.mapExtractor(
      ExtractorSource(weights: Safetensors.read(path), digest: "d") { try FloatExecutor($0) })
    let shape = ImageShape(channels: 1, height: 28, width: 28)
    let golden = try NPZ.read(Fixtures.path("../../models/fashion-mnist-classifier/io.npz"))
    let images = try #require(golden.tensors["images"]).bytes
    func noisy(_ amount: Int) -> [UInt8] {
      images.enumerated().map { UInt8(clamping: Int($0.element) + ($0.offset % 3 - 1) * amount) }
    }
    let maps = try extractor.maps(of: images, shape: shape)
    #expect(
      maps.map(\.dims) == [[4, 32, 28, 28], [4, 64, 14, 14], [4, 64, 14, 14], [4, 128, 7, 7], [4, 128, 7, 7]])
    let near = try PerceptualDistance.distances(reference: maps, other: extractor.maps(of: noisy(4), shape: shape))
    let far = try PerceptualDistance.distances(reference: maps, other: extractor.maps(of: noisy(40), shape: shape))
    #expect(zip(near, far).allSatisfy { 0 < $0 && $0 < $1 })
    let second = try extractor.maps(of: Array(images[shape.count..<2 * shape.count]), shape: shape)
    let changed = try extractor.maps(of: Array(noisy(40)[shape.count..<2 * shape.count]), shape: shape)
    #expect(PerceptualDistance.distances(reference: second, other: changed) == [far[1]])
  }
}
