import Diffusion
import Evaluation
import Tensors

/// How far quantised networks' noise predictions deviate from the float network's, step by step along the float
/// network's own trajectories (errors do not build up), image by image.
///
/// Every finished batch is appended to a journal, one line an image, so that an interrupted comparison goes on where it
/// stopped; figures are summed in the order of images and do not depend on batches or interruptions.
package struct StepErrors {
  package let float: ImageSampler
  /// By name, in the order they are reported.
  package let quantized: [(name: String, denoiser: any Denoiser)]

  package init(float: ImageSampler, quantized: [(name: String, denoiser: any Denoiser)]) {
    self.float = float
    self.quantized = quantized
  }

  /// - Parameter journal: path of the file that keeps what is measured; nil: nothing keeps it.
  /// - Returns: for each network, one entry per step in execution order, pooled over images.
  /// - Throws: `Stopped` after a stop signal.
  package func measure(
    _ images: ClosedRange<Int>, journal path: String?, session: Session
  ) throws -> [[SignalToNoise]] {
    let journal = try StepJournal(path, networks: quantized.map(\.name))
    let missing = images.filter { journal.entries[$0] == nil }
    let progress = Progress(
      "comparing steps", unit: "images", total: images.count, inherited: images.count - missing.count,
      console: session.console)
    for start in stride(from: 0, to: missing.count, by: float.batch) {
      let done = images.count - missing.count + start
      let batch = Array(missing[start..<min(start + float.batch, missing.count)])
      // By network, then image: the steps so far.
      var errors = quantized.map { _ in batch.map { _ in [SignalToNoise]() } }
      var loop = try float.trajectory(batch)
      let conditioning = float.conditioning(batch)
      while let state = try loop.next() {
        if let signal = try session.stopSignal() {
          progress.finish(Double(done))
          throw Stopped(signal: signal, progress: "\(done) of \(images.count) comparisons", command: session.command)
        }
        let reference = noise(state.output, of: float.denoiser, at: state)
        for (network, entry) in quantized.enumerated() {
          let output = try entry.denoiser.predict(state.x, at: state.step, conditioning: conditioning)
          let found = try SignalToNoise.perImage(
            reference: reference, other: noise(output, of: entry.denoiser, at: state))
          for row in batch.indices { errors[network][row].append(found[row]) }
        }
        progress.update(Double(done) + Double(batch.count * loop.completed) / Double(loop.steps.count))
      }
      try journal.append(batch.enumerated().map { row, image in (image, errors.map { $0[row] }) })
    }
    if !missing.isEmpty { progress.finish(Double(images.count)) }
    return journal.pooled(images)
  }

  /// The noise that a network's output means, whatever it predicts.
  private func noise(_ output: Tensor, of denoiser: any Denoiser, at state: SamplingState) -> Tensor {
    let prediction = denoiser.learnsVariance ? output.channelHalves().first : output
    return float.process.noise(state.x, output: prediction, at: state.level)
  }
}
