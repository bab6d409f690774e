import Foundation
import Tensors

/// `cluster watch`: how far all shards of a run are, again and again until they are done.
package struct ClusterWatchCommand: Sendable {
  package var folder: String
  package var images: ClosedRange<Int>
  package var shards: Int
  /// Seconds between two looks; nil: one look.
  package var interval: Int?

  package init(folder: String, images: ClosedRange<Int>, shards: Int, interval: Int?) {
    self.folder = folder
    self.images = images
    self.shards = shards
    self.interval = interval
  }

  /// Time between two questions whether a signal has come.
  private static let patience: UInt32 = 200_000

  package func run(_ session: Session) throws {
    let clock = ContinuousClock()
    var first: (images: Int, at: ContinuousClock.Instant)?
    while true {
      let progress = try ShardProgress(folder, images: images, shards: shards)
      let since = first ?? (progress.images, clock.now)
      let seconds = (clock.now - since.at) / .seconds(1)
      first = since
      try session.console.result(
        progress.text(rate: seconds > 0 ? Double(progress.images - since.images) / seconds : nil))
      guard let interval, progress.images < progress.total else { return }
      let next = clock.now + .seconds(interval)
      while clock.now < next {
        // Nobody reads on: `| head` is one look.
        if !Console.hasReader { return }
        if let signal = try session.stopSignal() {
          throw Stopped(
            signal: signal, progress: "\(progress.images) of \(progress.total) images", command: session.command)
        }
        usleep(Self.patience)
      }
    }
  }
}
