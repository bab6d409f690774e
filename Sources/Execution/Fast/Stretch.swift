import Tensors

/// Steps in a row that several images go through in the same manner: one image through all of them and then the next, or all
/// images through one step before the next.
///
/// Layers on small maps have more weights than pixels. Taken step by step, their weights are fetched once for several images,
/// while the maps of those images fit the caches beside them; on large maps an image's own values are what should stay near.
package struct Stretch: Sendable, Equatable {
  package let steps: Range<Int>
  package let isStepByStep: Bool

  package init(steps: Range<Int>, isStepByStep: Bool) {
    self.steps = steps
    self.isStepByStep = isStepByStep
  }

  /// - Parameter kinds: of each step, whether it should be taken step by step; nil goes with the step before it, at the start image
  ///   by image.
  package static func divide(_ kinds: [Bool?]) -> [Stretch] {
    var stretches: [Stretch] = []
    for (index, kind) in kinds.enumerated() {
      let last = stretches.last
      let isStepByStep = kind ?? last?.isStepByStep ?? false
      if let last, last.isStepByStep == isStepByStep {
        stretches[stretches.count - 1] = Stretch(steps: last.steps.lowerBound..<(index + 1), isStepByStep: isStepByStep)
      } else {
        stretches.append(Stretch(steps: index..<(index + 1), isStepByStep: isStepByStep))
      }
    }
    return stretches
  }

  static func divide(_ steps: [ProgramStep]) -> [Stretch] {
    divide(
      steps.map { if case .contraction(let contraction) = $0 { contraction.isLedByWeights } else { nil } })
  }
}

extension Contraction {
  /// Several images' values of a layer must fit where one image's did, or more is lost by them than is gained by weights.
  private static let fewestWeightsForValues = 4

  /// Whether the layer has many more bytes of weights than of values, which are its input, its output and transformed tiles.
  fileprivate var isLedByWeights: Bool {
    let weights = parts.reduce(0) { $0 + $1.weights.byteCount }
    let planes = winograd.map { ($0.inputPlane + $0.productPlane) * PackedWeights.winogradProducts } ?? 0
    let values =
      halo.count * parts[0].weights.format.inputSize + (outputHeight * outputWidth * outputChannels + planes) * 4
    return weights > Self.fewestWeightsForValues * values
  }
}

/// How many images a worker takes through a program together.
package struct ImageGroups: Equatable {
  /// Images of a group; the last one may have fewer.
  package let size: Int
  package let count: Int
  /// Images whose working memory is needed at once.
  package let inFlight: Int

  /// Working memory of a worker's images together: what is gained by more of them is lost where their maps leave the caches.
  private static let mostBytes = 64 << 20
  private static let mostImages = 8

  /// The largest groups with which no worker has more images than without groups.
  package init(batch: Int, workers: Int, arenaBytes: Int) {
    let most = max(1, min(Self.mostImages, Self.mostBytes / max(arenaBytes, 1)))
    let share = (batch + workers - 1) / workers
    size =
      (1...max(1, min(most, share))).last { size in
        let groups = (batch + size - 1) / size
        return (groups + workers - 1) / workers * size <= share
      } ?? 1
    count = (batch + size - 1) / size
    inFlight = min(batch, min(count, workers) * size)
  }

  /// One image after the other.
  init(singly batch: Int, workers: Int) {
    (size, count, inFlight) = (1, batch, min(batch, workers))
  }

  package func images(of group: Int, batch: Int) -> Range<Int> { (group * size)..<min((group + 1) * size, batch) }
}
