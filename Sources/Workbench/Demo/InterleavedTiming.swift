import Diffusion
import Tensors

/// Times of several things, measured in turns, so that a slow moment of the machine meets all of them.
package struct InterleavedTiming {
  /// Sampling steps of one turn, and images in its batch.
  private static let steps = 4
  private static let batch = 16

  /// - Parameter samplers: one per network.
  /// - Returns: median milliseconds per image and step, in the order of `samplers`.
  package static func medians(_ samplers: [ImageSampler], rounds: Int, session: Session) throws -> [Double] {
    let images = Array(0..<batch)
    let clock = ContinuousClock()
    return try medians(
      rounds: rounds, title: "timing", session: session,
      turns: samplers.map { sampler in
        {
          var loop = try sampler.trajectory(images)
          let began = clock.now
          for _ in 0..<min(steps, loop.steps.count) { _ = try loop.next() }
          return (clock.now - began) / .milliseconds(1) / Double(batch * loop.completed)
        }
      })
  }

  /// - Parameters: title: what progress calls the work; turns: each does its work once and says how long it took.
  /// - Returns: medians of what the turns say, in their order.
  static func medians(
    rounds: Int, title: String, session: Session, turns: [() throws -> Double]
  ) throws -> [Double] {
    var found = turns.map { _ in [Double]() }
    let progress = Progress(title, unit: "rounds", total: rounds, console: session.console)
    // Round 0 warms caches and is not counted.
    for round in 0...rounds {
      for (position, turn) in turns.enumerated() {
        if let signal = try session.stopSignal() {
          throw Stopped(signal: signal, progress: "no timings", command: session.command)
        }
        let time = try turn()
        if round > 0 { found[position].append(time) }
      }
      progress.update(Double(round))
    }
    progress.finish(Double(rounds))
    return found.map(median)
  }

  /// The middle value; of an even number, the mean of the two middle ones. - Precondition: not empty.
  package static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
