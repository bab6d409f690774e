import Tensors

/// A job that cannot be written or submitted.
package enum ClusterError: HalftoneError, Equatable {
  /// More shards than units of work.
  case tooManyShards(shards: Int, units: Int)
  case noSubmitter(String)
  case cannotStart(program: String, reason: String)
  case refused(command: String, status: Int32)

  package var id: String {
    switch self {
    case .tooManyShards: "E-CLUSTER-SHARDS"
    case .noSubmitter, .cannotStart, .refused: "E-CLUSTER-SUBMIT"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .tooManyShards: .usage
    case .noSubmitter, .cannotStart, .refused: .resource
    }
  }

  package var message: String {
    switch self {
    case .tooManyShards(let shards, let units):
      "\(shards) shards for \(units == 1 ? "one unit" : "\(units) units") of 64 images: \(shards - units) would have nothing to do"
    case .noSubmitter(let program): "\(program) is not installed here"
    case .cannotStart(let program, let reason): "\(printable(program)) cannot be started: \(reason)"
    case .refused(let command, let status): "'\(command)' ended with status \(status)"
    }
  }

  package var hint: String? {
    switch self {
    case .tooManyShards(_, let units): "at most --shards \(units)"
    case .noSubmitter, .cannotStart: "the file is written; submit it where the scheduler is"
    case .refused: nil
    }
  }
}
