import Formats
import Platform
import Tensors

/// What a piece of work took. Kept beside what it made, so that a run that goes on still knows it.
package struct WorkCost: Sendable, Equatable {
  package let seconds: Double
  /// The most memory the process had resident meanwhile, bytes; nil where the system does not say.
  package let peakMemory: Int?

  package init(seconds: Double, peakMemory: Int?) {
    self.seconds = seconds
    self.peakMemory = peakMemory
  }

  /// Measures work that begins with it.
  package struct Meter {
    private let canReset = ProcessMemory.resetPeak()
    private let began = ContinuousClock.now

    package init() {}

    /// What the work has taken so far.
    package var cost: WorkCost {
      WorkCost(
        seconds: (ContinuousClock.now - began) / .seconds(1), peakMemory: canReset ? ProcessMemory.peak : nil)
    }
  }

  /// - Parameter digest: of what the work made.
  package func write(to path: String, digest: String) throws {
    try AtomicFile.write(
      JSONWriter.pretty([
        "digest": .string(digest), "seconds": .number(seconds),
        "peak_memory": peakMemory.map { .integer($0) } ?? .null,
      ]), to: path)
  }

  /// The cost at `path`; nil unless it is there and of the work that made `digest`.
  package static func read(_ path: String, digest: String) -> WorkCost? {
    guard let value = try? JSON.read(path), value["digest"] == .string(digest) else { return nil }
    let memory: Int? = if case .integer(let bytes)? = value["peak_memory"] { bytes } else { nil }
    switch value["seconds"] {
    case .number(let seconds): return WorkCost(seconds: seconds, peakMemory: memory)
    case .integer(let seconds): return WorkCost(seconds: Double(seconds), peakMemory: memory)
    case .null, .bool, .string, .list, .map, nil: return nil
    }
  }
}
