import Tensors
import Testing

@Suite("Random draws of recipes")
struct RecipeRandomTests {
  /// Seed 42, purpose 3, computed apart from this code as in NoiseSourceTests: the first three draws as uniforms, the fourth
  /// as a normal.
  @Test("written values")
  func writtenValues() {
    var random = RecipeRandom(seed: 42, purpose: 3)
    #expect(random.uniform() == 0.27083467525543503)
    #expect(random.uniform() == 0.14839984869134804)
    #expect(random.uniform() == 0.6028460002875601)
    #expect(abs(random.normal() - 1.1037416874462164519) < 4 * Double.ulpOfOne)
  }

  @Test("the same seed and purpose repeat, others differ")
  func repeatable() {
    func first(_ seed: UInt64, _ purpose: Int) -> [Double] {
      var random = RecipeRandom(seed: seed, purpose: purpose)
      return (0..<3).map { _ in random.uniform() }
    }
    #expect(first(1, 0) == first(1, 0))
    #expect(first(1, 0) != first(1, 1))
    #expect(first(1, 0) != first(2, 0))
  }

  /// 65,536 draws; limits are 4 standard errors of mean and variance (uniform: 1/12 and 1/180; normal: 1 and 2).
  @Test("uniforms and normals have their moments")
  func moments() {
    var random = RecipeRandom(seed: 5, purpose: 0)
    let n = 65536.0
    let uniforms = (0..<65536).map { _ in random.uniform() }
    let normals = (0..<65536).map { _ in random.normal() }
    #expect(uniforms.allSatisfy { (0..<1).contains($0) })
    let uniformMean = uniforms.reduce(0, +) / n
    #expect(abs(uniformMean - 0.5) < 4 * (1 / 12 / n).squareRoot())
    let uniformVariance = uniforms.reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) } / n
    #expect(abs(uniformVariance - 1 / 12.0) < 4 * (1 / 180 / n).squareRoot())
    #expect(abs(normals.reduce(0, +) / n) < 4 / n.squareRoot())
    #expect(abs(normals.reduce(0) { $0 + $1 * $1 } / n - 1) < 4 * (2 / n).squareRoot())
  }
}
