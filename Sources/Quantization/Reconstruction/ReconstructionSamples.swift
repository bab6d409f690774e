import Diffusion
import Graphs
import Tensors

/// The calibration samples of a reconstruction, and the distinct calls (sampling step and conditioning) among them.
struct ReconstructionSamples {
  struct Call: Hashable {
    let step: Int
    let timestep: Timestep
    /// Without a context.
    let conditioning: Conditioning

    var label: Int? { conditioning.label }
  }

  /// In the order of the samples: runs of one step, each small enough for one call.
  let slices: [SampleSlice]
  /// By sample: position in `distinct`.
  private(set) var keys: [Int] = []
  private(set) var distinct: [Call] = []

  var count: Int { keys.count }

  func call(of sample: Int) -> Call { distinct[keys[sample]] }

  /// The first `perStep` samples of each step.
  init(_ set: any CalibrationSource, perStep: Int) throws {
    let counts = set.counts.map { min($0, perStep) }
    slices = SampleBatches(counts: counts, batch: nil).perStep().flatMap { $0.flatMap { $0 } }
    var known: [Call: Int] = [:]
    for slice in slices {
      let conditioning = try set.samples(step: slice.step, slice.range).conditioning
      let timestep = set.provenance.steps[slice.step].networkTimestep
      for row in 0..<slice.range.count {
        let call = Call(
          step: slice.step, timestep: timestep,
          conditioning: conditioning.isEmpty ? .none : conditioning[row].withoutContext)
        if known[call] == nil {
          known[call] = distinct.count
          distinct.append(call)
        }
        keys.append(known[call] ?? 0)
      }
    }
  }

  /// Every sampling step with every class, once: all that a temporal block can be asked.
  init(steps: [Step], classes: Int?) {
    slices = []
    for step in steps {
      for label in 0..<(classes ?? 1) {
        keys.append(distinct.count)
        let conditioning = Conditioning(label: classes == nil ? nil : label)
        distinct.append(Call(step: step.index, timestep: step.networkTimestep, conditioning: conditioning))
      }
    }
  }
}
