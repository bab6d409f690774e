import Tensors

/// A shard that cannot be.
package enum ShardError: HalftoneError, Equatable {
  case malformed(String)
  case range(index: Int, count: Int)
  /// `auto` where no scheduler says anything.
  case noVariable
  case variable(String, value: String)
  /// Variables of several schedulers, with their values.
  case disagreement([String])
  case noCount(variable: String)
  /// An array of which only some tasks were started.
  case partialArray(first: Int, last: Int, count: Int)
  /// Options that mean something for all of the work only.
  case wholeOnly(options: [String])
  /// Features that nothing would be left of.
  case needsKeptFeatures
  /// An image that was there a moment ago.
  case changed(path: String, found: ImageStore.State)

  package var id: String {
    switch self {
    case .malformed: "E-SHARD"
    case .range: "E-SHARD-RANGE"
    case .noVariable, .variable, .disagreement, .noCount, .partialArray: "E-SHARD-AUTO"
    case .wholeOnly, .needsKeptFeatures: "E-SHARD-OPTION"
    case .changed: "E-SHARD-CHANGED"
    }
  }

  package var exit: ExitStatus { if case .changed = self { .resource } else { .usage } }

  package var message: String {
    switch self {
    case .malformed(let text): "--shard \(printable(text)): expected i/N, auto/N or auto"
    case .range(let index, let count) where (1...Shard.largestCount).contains(count):
      "--shard \(index)/\(count): shards are counted from 0, so the last of \(count) is \(count - 1)/\(count)"
    case .range(let index, let count):
      "--shard \(index)/\(count): expected 1 to \(Shard.largestCount) shards"
    case .noVariable:
      "--shard auto: none of \(SchedulerVariables.indices.joined(separator: ", ")) is set"
    case .variable(let name, let value):
      "--shard auto: \(name) is \"\(printable(value))\", expected a whole number"
    case .disagreement(let values): "--shard auto: schedulers disagree: \(values.joined(separator: ", "))"
    case .noCount(let variable): "--shard auto: \(variable) says which shard this is, and nothing of how many"
    case .partialArray(let first, let last, let count):
      "--shard auto: \(count) of the array's tasks \(first) to \(last) were started, so their number is not that of the shards"
    case .wholeOnly(let options):
      "\(options.joined(separator: ", ")): \(options.count == 1 ? "means" : "mean") nothing for one shard of the work"
    case .needsKeptFeatures: "a shard of 'score' computes features, and nothing says where they are kept"
    case .changed(let path, .unusable(let reason)): "\(printable(path)) was there and changed: \(reason)"
    case .changed(let path, _): "\(printable(path)) was there and is gone"
    }
  }

  package var hint: String? {
    switch self {
    case .malformed: "0/16 is the first of 16 shards, 15/16 the last"
    case .range: nil
    case .noVariable: "give the shard itself: --shard 0/16"
    case .variable: nil
    case .disagreement: "give the shard itself, as in --shard $SLURM_ARRAY_TASK_ID/16"
    case .noCount, .partialArray: "write the number of shards: --shard auto/16"
    case .wholeOnly: "leave it to 'halftone gather', or to the command without --shard when all shards are done"
    case .needsKeptFeatures: "give all shards, and the command that scores, one folder: --keep-features DIR"
    case .changed: "another program works in the folder; the same command draws the image again"
    }
  }
}
