import Diffusion
import Evaluation
import Formats
import Foundation
import Logging
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

  /// - Parameter journal: path of the file that keeps what is measured.
  /// - Returns: for each network, one entry per step in execution order, pooled over images.
  /// - Throws: `Stopped` after a stop signal.
  package func measure(
    _ images: ClosedRange<Int>, journal path: String, session: Session
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
      let labels = float.labels.map { cycle in batch.map(cycle.label) }
      while let state = try loop.next() {
        if let signal = Signals.pending {
          progress.finish(Double(done))
          throw Stopped(signal: signal, progress: "\(done) of \(images.count) comparisons", command: session.command)
        }
        let reference = noise(state.output, of: float.denoiser, at: state)
        for (network, entry) in quantized.enumerated() {
          let output = try entry.denoiser.predict(state.x, at: state.step, labels: labels)
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
    return float.process.noise(state.x, output: prediction, at: state.step.timestep)
  }
}

/// `steps.jsonl`: per image and network, the energies of signal and deviation at every step.
private final class StepJournal {
  /// By image, then network, then step.
  private(set) var entries: [Int: [[SignalToNoise]]] = [:]
  private let path: String
  private let networks: [String]

  /// Lines that are incomplete (of a killed process) or of other networks count as absent.
  init(_ path: String, networks: [String]) throws {
    self.path = path
    self.networks = networks
    guard Folder.kind(of: path) == .file else { return }
    let bytes = try InputFile.contents(of: path, limit: 1 << 30)
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      if let value = try? JSON.parse(Array(line), file: path) { read(value) }
    }
  }

  private func read(_ line: ConfigurationValue) {
    guard case .integer(let image)? = line["image"], line["networks"] == .list(networks.map { .string($0) }),
      case .integer(let elements)? = line["elements"], let signal = Self.numbers(line["signal"]),
      let noise = Self.numbers(line["noise"]), signal.count == noise.count, signal.count == networks.count
    else { return }
    entries[image] = zip(signal, noise).map { steps in
      zip(steps.0, steps.1).map { SignalToNoise(signal: $0, noise: $1, count: elements) }
    }
  }

  private static func numbers(_ value: ConfigurationValue?) -> [[Double]]? {
    guard case .list(let rows)? = value else { return nil }
    let parsed = rows.map { row -> [Double]? in
      guard case .list(let items) = row else { return nil }
      let numbers = items.compactMap { item -> Double? in
        switch item {
        case .number(let number): number
        case .integer(let integer): Double(integer)
        case .null, .bool, .string, .list, .map: nil
        }
      }
      return numbers.count == items.count ? numbers : nil
    }
    return parsed.contains { $0 == nil } ? nil : parsed.compactMap { $0 }
  }

  func append(_ new: [(image: Int, networks: [[SignalToNoise]])]) throws {
    var text = ""
    for (image, errors) in new {
      entries[image] = errors
      let rows = { (value: (SignalToNoise) -> Double) -> ConfigurationValue in
        .list(errors.map { .list($0.map { .number(value($0)) }) })
      }
      text +=
        JSONWriter.compact([
          "image": .integer(image), "networks": .list(networks.map { .string($0) }),
          "elements": .integer(errors.first?.first?.count ?? 0), "signal": rows { $0.signal },
          "noise": rows { $0.noise },
        ]) + "\n"
    }
    try AppendOnlyFile.append(text, to: path)
  }

  func pooled(_ images: ClosedRange<Int>) -> [[SignalToNoise]] {
    let steps = entries.values.first?.first?.count ?? 0
    return networks.indices.map { network in
      (0..<steps).map { step in
        images.reduce(SignalToNoise()) { sum, image in
          entries[image].map { sum + $0[network][step] } ?? sum
        }
      }
    }
  }
}
