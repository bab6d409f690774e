import CKernels
import Platform

/// State of Adam (Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1) for one array: decay rates
/// 0.9 and 0.999, epsilon 1e-8, bias-corrected.
package struct AdamMoments {
  private static let decays = (first: 0.9, second: 0.999)
  private static let epsilon: Float = 1e-8
  /// Elements that one worker takes at a time.
  private static let piece = 16_384

  package private(set) var mean: [Float]
  package private(set) var square: [Float]
  private var steps = 0

  package init(count: Int) {
    mean = [Float](repeating: 0, count: count)
    square = mean
  }

  /// The state after so many steps, as `mean` and `square` gave it.
  package init(mean: [Float], square: [Float], steps: Int) {
    precondition(mean.count == square.count)
    (self.mean, self.square, self.steps) = (mean, square, steps)
  }

  /// values -= rate mean^ / (sqrt(square^) + epsilon).
  /// - Parameters: values, gradient: as many as the state was made for.
  package mutating func step(
    _ values: UnsafeMutablePointer<Float>, _ gradient: UnsafePointer<Float>, rate: Double, kernels: KernelTable,
    pool: WorkerPool
  ) {
    steps += 1
    let rate = Float(rate / (1 - pow(Self.decays.first, Double(steps))))
    let factor = Float(1 / (1 - pow(Self.decays.second, Double(steps))))
    let count = mean.count
    mean.withUnsafeMutableBufferPointer { mean in
      square.withUnsafeMutableBufferPointer { square in
        guard let mean = mean.baseAddress, let square = square.baseAddress else { return }
        pool.parallel((count + Self.piece - 1) / Self.piece) { piece in
          let start = piece * Self.piece
          var pass = ht_adam(
            values: values + start, mean: mean + start, square: square + start, gradient: gradient + start,
            count: Int64(min(Self.piece, count - start)), decay1: Float(Self.decays.first),
            decay2: Float(Self.decays.second), rate: rate, square_factor: factor, epsilon: Self.epsilon)
          kernels.adam(&pass)
        }
      }
    }
  }
}
