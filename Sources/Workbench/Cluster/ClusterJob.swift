import Formats
import Tensors

/// A run that is drawn by shards on machines that a scheduler gives: what its script or manifest is made of.
package struct ClusterJob: Sendable {
  /// Name of the job.
  package let name: String
  /// The command line of one shard, but for `--shard`.
  package let command: [String]
  package let count: Int
  package let shards: Int
  /// Threads of one shard.
  package let threads: Int
  package let needs: ShardNeeds
  /// Lines that users add for their site: of Slurm's script, without `#SBATCH`.
  package let directives: [String]
  /// How many shards run at once; nil: all of them.
  package let parallel: Int?
  package let container: Container?

  /// What a manifest needs to know beside the command.
  package struct Container: Sendable, Equatable {
    package let image: String
    /// Claim of the volume that all shards share, and where it stands in their file system.
    package let claim: String
    package let mount: String

    package init(image: String, claim: String, mount: String) {
      self.image = image
      self.claim = claim
      self.mount = mount
    }
  }

  package init(
    name: String, command: [String], count: Int, shards: Int, threads: Int, needs: ShardNeeds, directives: [String],
    parallel: Int?, container: Container?
  ) {
    self.name = name
    self.command = command
    self.count = count
    self.shards = shards
    self.threads = threads
    self.needs = needs
    self.directives = directives
    self.parallel = parallel
    self.container = container
  }

  /// The command line of one shard, whose number the scheduler says.
  var shardCommand: [String] { command + ["--shard", "auto/\(shards)"] }

  /// Images of the largest shard.
  package static func largestShard(of count: Int, shards: Int) -> Int {
    let units = (count + WorkUnit.size - 1) / WorkUnit.size
    return min(count, (units + shards - 1) / shards * WorkUnit.size)
  }

  /// What the file says about itself, a line each.
  var summary: [String] {
    let largest = Self.largestShard(of: count, shards: shards)
    return [
      "\(shown(count: count)) images in \(shards) shards of at most \(shown(count: largest)) images.", needs.summary,
    ]
  }
}

/// Time and memory that one shard may take.
package struct ShardNeeds: Sendable, Equatable {
  /// Limits that are asked of the scheduler.
  package let seconds: Int
  package let bytes: Int
  /// Seconds before the end at which a shard is told, so that it may finish the batch at hand.
  package let notice: Int
  /// Where they come from.
  package let summary: String

  private init(seconds: Int, bytes: Int, notice: Int, summary: String) {
    self.seconds = seconds
    self.bytes = bytes
    self.notice = notice
    self.summary = summary
  }

  private static let shortestNotice = 120
  /// What Slurm counts to.
  private static let longestNotice = 65_535
  private static let roundsToMinutes = 5
  private static let mebibyte = 1 << 20
  private static let roundsToMebibytes = 64

  /// Room for slower machines and for what else runs there: half as much time again and ten minutes, a quarter more memory and
  /// 64 MiB.
  /// - Parameters: images: of the largest shard; batch: images that are drawn together; time, memory: limits that are given.
  package init(measured rate: MeasuredRate, images: Int, batch: Int, time: Int?, memory: Int?) {
    let expected = rate.secondsPerImage * Double(images)
    let step = Double(Self.roundsToMinutes * 60)
    let notice = max(
      Double(Self.shortestNotice), (min(rate.secondsPerImage * Double(min(batch, images)), 1e9) * 1.5).rounded(.up))
    let limit = ((min(expected, 1e9) * 1.5 + 600 + notice) / step).rounded(.up) * step
    let unit = Double(Self.roundsToMebibytes * Self.mebibyte)
    let room = ((Double(rate.peakBytes) * 1.25 + unit) / unit).rounded(.up) * unit
    let seconds = time ?? Int(limit)
    self.init(
      seconds: seconds, bytes: memory ?? Int(room), notice: min(Int(notice), seconds / 2, Self.longestNotice),
      summary:
        "Measured with \(rate.threads) threads on \(rate.processor): \(fixed(rate.secondsPerImage, 3)) s an image, "
        + "\(shown(bytes: rate.peakBytes)) of memory; at most \(Progress.shown(seconds: expected)) a shard.")
  }

  /// As given, without a measurement.
  package init(time: Int, memory: Int) {
    self.init(
      seconds: time, bytes: memory, notice: min(Self.shortestNotice, time / 2),
      summary: "Limits as given; nothing was measured.")
  }

  package var mebibytes: Int { (bytes + Self.mebibyte - 1) / Self.mebibyte }

  /// Hours, minutes and seconds, as Slurm writes them.
  package var clock: String {
    let pad = { (n: Int) in n < 10 ? "0\(n)" : "\(n)" }
    return "\(pad(seconds / 3600)):\(pad(seconds / 60 % 60)):\(pad(seconds % 60))"
  }
}
