import Diffusion
import Tensors
import Testing

@Suite("Bounds of the predicted x_0")
struct CleanImageBoundsTests {
  static let images = Tensor([2, 1, 1, 5], [0, -1, 2, -3, 4, 0.5, 0.25, -0.5, 0, 0.125])

  @Test("nothing, clipping, clipping to another range")
  func clipping() {
    #expect(CleanImageBounds(clip: false).applied(to: Self.images) == Self.images)
    #expect(
      CleanImageBounds().applied(to: Self.images).values == [0, -1, 1, -1, 1, 0.5, 0.25, -0.5, 0, 0.125])
    #expect(
      CleanImageBounds(clipRange: 2.5).applied(to: Self.images).values == [
        0, -1, 2, -2.5, 2.5, 0.5, 0.25, -0.5, 0, 0.125,
      ])
  }

  /// |x| sorted is 0 1 2 3 4 in the first image: the 0.6-quantile is at rank 2.4, 2.4. The second image stays below 1, so
  /// its threshold is 1 and nothing changes.
  @Test("dynamic thresholding takes each image's own quantile, at least 1")
  func thresholding() {
    let bounds = CleanImageBounds(thresholding: true, thresholdingRatio: 0.6, thresholdLimit: 10)
    let result = bounds.applied(to: Self.images).values
    let threshold = Float(2.4)
    #expect(
      result == [0, -1 / threshold, 2 / threshold, -1, 1, 0.5, 0.25, -0.5, 0, 0.125])
  }

  @Test("the threshold has a limit, and the extreme quantiles are the smallest and the largest value")
  func limits() {
    func first(_ ratio: Double, _ limit: Double) -> [Float] {
      Array(
        CleanImageBounds(thresholding: true, thresholdingRatio: ratio, thresholdLimit: limit).applied(to: Self.images)
          .values[..<5])
    }
    #expect(first(1, 2) == [0, -0.5, 1, -1, 1])
    #expect(first(1, 10) == [0, -0.25, 0.5, -0.75, 1])
    #expect(first(0, 10) == [0, -1, 1, -1, 1])
  }

  @Test("no image is no problem")
  func empty() {
    let none = Tensor([0, 1, 2, 2])
    #expect(CleanImageBounds(thresholding: true).applied(to: none) == none)
  }
}
