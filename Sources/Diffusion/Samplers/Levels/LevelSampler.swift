import Tensors

/// A sampler that solves in noise levels.
package protocol LevelSampler: Sampler {
  var selection: LevelSelection { get set }
}

extension LevelSampler {
  package var requestedSteps: Int { selection.steps }

  package func taking(steps: Int) throws(DiffusionError) -> Self {
    var sampler = self
    sampler.selection.steps = steps
    return sampler
  }

  package func calls(for process: DiffusionProcess) throws(DiffusionError) -> [NetworkCall] {
    let (visits, final) = try selection.visits(of: process.schedule)
    return Self.calls(visits, final: final, schedule: process.schedule)
  }

  /// Calls at levels one after the other. A step's timestep is the whole one nearest to its time.
  /// - Parameter corrected: whether every step that does not end without noise has a second call, where it leads to.
  static func calls(
    _ visits: [LevelSelection.Visit], final: NoiseLevel, schedule: NoiseSchedule, corrected: Bool = false
  ) -> [NetworkCall] {
    func whole(_ time: Double) -> Timestep { Timestep(Int(time.rounded(.toNearestOrEven))) }
    var calls: [NetworkCall] = []
    for (index, visit) in visits.enumerated() {
      let following = index + 1 < visits.count ? visits[index + 1] : nil
      let next = following?.level ?? final
      func add(at time: Double, _ level: NoiseLevel, corrects: Bool) {
        calls.append(
          NetworkCall(
            step: Step(
              index: calls.count, timestep: whole(time), previous: (following?.time).map(whole),
              networkTimestep: schedule.networkTimestep(of: Timestep(Double(Float(time))))),
            level: level, next: next, corrects: corrects))
      }
      add(at: visit.time, visit.level, corrects: false)
      if corrected, !next.isClean { add(at: following?.time ?? 0, next, corrects: true) }
    }
    return calls
  }
}
