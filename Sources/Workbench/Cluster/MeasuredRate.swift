import Diffusion
import Platform
import Tensors

/// What images of a run cost on this machine.
package struct MeasuredRate: Sendable, Equatable {
  package let secondsPerImage: Double
  /// The most memory the process had while it drew.
  package let peakBytes: Int
  package let threads: Int
  package let processor: String

  package init(secondsPerImage: Double, peakBytes: Int, threads: Int, processor: String) {
    self.secondsPerImage = secondsPerImage
    self.peakBytes = peakBytes
    self.threads = threads
    self.processor = processor
  }

  /// Time for the calls that are timed, at the least one.
  private static let longEnough = Duration.seconds(3)

  /// Times calls of the network on one batch, the first apart, and the decoding of a few of its samples.
  /// - Parameter count: images of the run, where they are fewer than a batch.
  static func measure(_ sampler: ImageSampler, count: Int, compute: Compute) throws -> MeasuredRate {
    _ = ProcessMemory.resetPeak()
    let clock = ContinuousClock()
    let images = Array(0..<min(count, compute.batch))
    var loop = try sampler.trajectory(images)
    var seconds = 0.0
    let (first, more) = try timed(clock) { try loop.next() != nil }
    if more, loop.steps.count > 1 {
      let began = clock.now
      var calls = 0
      while clock.now - began < longEnough, try loop.next() != nil { calls += 1 }
      seconds = (clock.now - began) / .seconds(1) / Double(max(calls, 1)) * Double(loop.steps.count)
    } else {
      seconds = first
    }
    var each = seconds / Double(images.count)
    if let decoder = sampler.decoder {
      let rows = 0..<min(decoder.batch, images.count)
      let (spent, _) = try timed(clock) {
        try decoder.decode(loop.x.rows(rows), name: { "image \(images[$0])" }, tileDone: {})
      }
      each += spent / Double(rows.count)
    }
    return MeasuredRate(
      secondsPerImage: each, peakBytes: ProcessMemory.peak ?? 0, threads: compute.pool.threads,
      processor: Machine.current.processor)
  }

  private static func timed<Result>(
    _ clock: ContinuousClock, _ body: () throws -> Result
  ) throws -> (seconds: Double, result: Result) {
    let began = clock.now
    let result = try body()
    return ((clock.now - began) / .seconds(1), result)
  }
}
