import Evaluation
import Formats
import Foundation
import Tensors

/// `steps.jsonl`, `trajectory.jsonl`: per image and network, the energies of signal and deviation at every step.
final class StepJournal {
  /// By image, then network, then step.
  private(set) var entries: [Int: [[SignalToNoise]]] = [:]
  private let path: String?
  private let networks: [String]

  /// Lines that are incomplete (of a killed process) or of other networks count as absent.
  /// - Parameter path: nil: figures are in memory alone.
  init(_ path: String?, networks: [String]) throws {
    self.path = path
    self.networks = networks
    guard let path, Folder.kind(of: path) == .file else { return }
    let bytes = try InputFile.contents(of: path, limit: 1 << 30)
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      if let value = try? JSON.parse(Array(line), file: path) { read(value) }
    }
  }

  private func read(_ line: ConfigurationValue) {
    guard case .integer(let image)? = line["image"], line["networks"] == .list(networks.map { .string($0) }),
      case .integer(let elements)? = line["elements"], let signal = Self.numbers(line["signal"]),
      let noise = Self.numbers(line["noise"]), signal.count == noise.count, signal.count == networks.count,
      let count = signal.first?.count, (signal + noise).allSatisfy({ $0.count == count }),
      entries.values.first.map({ $0.first?.count == count }) ?? true
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

  /// Refuses more images than can be kept at once. - Parameters: networks: that are compared; steps: of the sampler.
  static func checkMemory(images: Int, networks: Int, steps: Int) throws(MemoryError) {
    let each = MemoryBudget.sum(MemoryBudget.product(32, networks, steps), 256)
    try MemoryBudget.require(
      MemoryBudget.product(images, each), for: "the figures of \(images) pairs at \(steps) steps")
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
    if let path { try AppendOnlyFile.append(text, to: path) }
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
