/// How far a long piece of work has come. The receiver may throw to stop it at a safe point.
package struct WorkProgress: Sendable, Equatable {
  /// What is being done, as a reader of a log would say it.
  package let stage: String
  /// What is counted.
  package let unit: String
  package let done: Int
  package let total: Int
  /// Whether what is done stays done when the receiver throws; the stage begins anew otherwise.
  package let isKept: Bool

  package init(stage: String, unit: String, done: Int, total: Int, isKept: Bool = false) {
    self.stage = stage
    self.unit = unit
    self.done = done
    self.total = total
    self.isKept = isKept
  }
}

package typealias ProgressHandler = @Sendable (WorkProgress) throws -> Void
