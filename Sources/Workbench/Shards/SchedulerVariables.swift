/// The variables by which schedulers tell a process which part of the work it is: those of Slurm's job arrays, of
/// Kubernetes' indexed jobs and of Open MPI's ranks.
struct SchedulerVariables {
  static let slurm = "SLURM_ARRAY_TASK_ID"
  static let slurmCount = "SLURM_ARRAY_TASK_COUNT"
  static let slurmFirst = "SLURM_ARRAY_TASK_MIN"
  static let slurmLast = "SLURM_ARRAY_TASK_MAX"
  static let kubernetes = "JOB_COMPLETION_INDEX"
  static let mpi = "OMPI_COMM_WORLD_RANK"
  static let mpiCount = "OMPI_COMM_WORLD_SIZE"
  /// Those that say which part a process is.
  static let indices = [slurm, kubernetes, mpi]

  private let environment: [String: String]

  init(_ environment: [String: String]) { self.environment = environment }

  /// - Parameter count: the number of shards where the command line says it, the only way that parts of an array (`--array=3,7`) know
  ///   it; nil: as the scheduler says.
  /// - Throws: `ShardError` when no variable says the index, several disagree, or the number of shards is not known.
  func shard(of count: Int?) throws(ShardError) -> Shard {
    var said: [(name: String, index: Int)] = []
    for name in Self.indices {
      if let index = try number(name) { said.append((name, index)) }
    }
    guard let (name, index) = said.first else { throw .noVariable }
    if said.contains(where: { $0.index != index }) { throw .disagreement(said.map { "\($0.name)=\($0.index)" }) }
    if let count { return try Shard(index, of: count) }
    switch name {
    case Self.slurm: return try arrayTask(index)
    case Self.mpi: return try Shard(index, of: required(Self.mpiCount, beside: name))
    default: throw .noCount(variable: name)
    }
  }

  /// A task of a whole array, whose numbers need not begin with 0.
  private func arrayTask(_ task: Int) throws(ShardError) -> Shard {
    let count = try required(Self.slurmCount, beside: Self.slurm)
    let first = try required(Self.slurmFirst, beside: Self.slurm)
    let last = try number(Self.slurmLast)
    if let last, last - first != count - 1 { throw .partialArray(first: first, last: last, count: count) }
    return try Shard(task - first, of: count)
  }

  private func required(_ name: String, beside index: String) throws(ShardError) -> Int {
    guard let value = try number(name) else { throw .noCount(variable: index) }
    return value
  }

  /// nil where the variable is not set.
  private func number(_ name: String) throws(ShardError) -> Int? {
    guard let text = environment[name] else { return nil }
    guard !text.isEmpty, let value = Shard.number(text) else { throw .variable(name, value: text) }
    return value
  }
}
