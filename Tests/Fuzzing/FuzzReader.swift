import Foundation
import Tensors
import TestSupport

/// One reader under test: valid files of its kind, how they are changed, and what reads them.
package struct FuzzReader: Sendable {
  package let name: String
  package let seeds: [[UInt8]]
  let form: FileForm
  /// Whether each input starts a process, which takes a hundred times as long.
  package let startsProcesses: Bool
  /// Whether an input is read from a file, in a folder of its own.
  private let readsFiles: Bool
  private let read: @Sendable (_ input: [UInt8], _ folder: String) throws -> Void

  /// - Parameter read: reads the input as far as commands do.
  init(
    _ name: String, _ form: FileForm, seeds: [[UInt8]], _ read: @escaping @Sendable (_ input: [UInt8]) throws -> Void
  ) {
    self.name = name
    self.form = form
    self.seeds = seeds
    startsProcesses = false
    readsFiles = false
    self.read = { input, _ in try read(input) }
  }

  /// - Parameter read: reads the input as far as commands do; `folder` is an empty folder of its own.
  init(
    _ name: String, _ form: FileForm, seeds: [[UInt8]], startsProcesses: Bool = false,
    _ read: @escaping @Sendable (_ input: [UInt8], _ folder: String) throws -> Void
  ) {
    self.name = name
    self.form = form
    self.seeds = seeds
    self.startsProcesses = startsProcesses
    readsFiles = true
    self.read = read
  }

  /// Input `number` of a campaign: a seed with one to six changes. The same for the same seed on every machine.
  package func input(_ number: Int, seed: UInt64) -> [UInt8] {
    let nameHash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    var random = SplitMix64(seed ^ nameHash ^ UInt64(number) &* 0x9e37_79b9_7f4a_7c15)
    var bytes = seeds.randomElement(using: &random)!
    let other = seeds.randomElement(using: &random)!
    for _ in 0..<[1, 1, 1, 2, 3, 6].randomElement(using: &random)! {
      form.mutate(&bytes, other: other, &random)
      // Repeated doubling is no structure.
      if bytes.count > Self.sizeLimit { bytes.removeLast(bytes.count - Self.sizeLimit) }
    }
    return bytes
  }

  /// One change of any input, as `input` makes them: for fuzzers that choose inputs themselves.
  package func change(_ input: [UInt8], seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed)
    var bytes = input
    form.mutate(&bytes, other: seeds.randomElement(using: &random)!, &random)
    return bytes
  }

  private static let sizeLimit = 1 << 20

  /// How much of a processor's time one input may take: a machine that is busy with other work is no fault of a reader.
  package static let secondsLimit = 5.0

  /// Processor time of this thread.
  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Reads `input`. - Returns: what is wrong with how that went; nil when it was read or refused as a user would see it.
  package func verdict(on input: [UInt8]) -> String? {
    do {
      let started = Self.processorSeconds()
      let folder = readsFiles ? try TemporaryFolder() : nil
      try withExtendedLifetime(folder) { try read(input, folder?.path ?? "") }
      let seconds = Self.processorSeconds() - started
      return seconds > Self.secondsLimit ? "read in \(seconds) s" : nil
    } catch let error as any HalftoneError {
      if error.exit == .internalError { return "an internal error: \(error.message)" }
      return error.message.utf8.count > Self.messageLimit ? "a message of \(error.message.utf8.count) bytes" : nil
    } catch {
      return "an error that is no message for users: \(error)"
    }
  }

  /// Whether `input` is refused by a message for users.
  package func refuses(_ input: [UInt8]) throws -> Bool {
    let folder = readsFiles ? try TemporaryFolder() : nil
    return withExtendedLifetime(folder) {
      do {
        try read(input, folder?.path ?? "")
        return false
      } catch {
        return error is any HalftoneError
      }
    }
  }

  /// Whether files of this kind are texts, which may end early and still say something.
  package var isText: Bool { if case .text = form { true } else { false } }

  /// Longer than any message that somebody reads.
  private static let messageLimit = 20_000
}
