/// How far a piece of work has come.
public struct WorkProgress: Sendable, Equatable {
  /// What is being done, such as `sampling trajectories`. A piece of work goes through several stages, one after another.
  public let stage: String
  /// What is counted, such as `samples`.
  public let unit: String
  /// Units that are done, parts of a unit included; from 0 to `total` within a stage.
  public let done: Double
  /// Units of the whole stage.
  public let total: Int

  /// The part of the stage that is done, from 0 to 1.
  public var fraction: Double { total > 0 ? min(max(done / Double(total), 0), 1) : 1 }
}

/// Is told how far work has come, several times a second, on whatever thread does the work. It must return quickly.
public typealias ProgressHandler = @Sendable (WorkProgress) -> Void
