/// Where the weights of a float model's layers are once it is open.
package enum WeightHolding: Sendable {
  /// In memory as Floats, beside what executors pack.
  case memory
  /// In their file until executors pack them or a stage works on them: for commands that run the network or quantise it.
  case packed
  /// In their file, one read after the other: for commands that do not run it.
  case file

  /// At the least.
  var bytesPerParameter: Int {
    switch self {
    case .memory: 8
    case .packed: 4
    case .file: 0
    }
  }
}
