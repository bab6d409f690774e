import Graphs

/// Simulated quantisation of a layer's input with its gradient, as reconstruction learns it. The executor calls it image
/// by image, on several threads; values are channels-last, `count` of them.
package protocol DifferentiableQuantizer: AnyObject {
  /// out = Q(x).
  func forward(_ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, count: Int, image: Int)

  /// dx from the cotangent of Q(x); remembers what the quantiser's own parameters need of this image.
  /// - Parameter accumulate: whether dx is added to rather than overwritten.
  func backward(
    _ x: UnsafePointer<Float>, _ cotangent: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
    accumulate: Bool, count: Int, image: Int)
}
