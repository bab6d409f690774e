/// One phase of a graph, compiled for one image at a time: fused steps over buffers placed in an arena.
struct Program: Sendable {
  let steps: [ProgramStep]
  let stretches: [Stretch]
  /// Byte offset of each buffer in the arena.
  let offsets: [Int]
  let arenaBytes: Int
  /// Buffers that hold the results of nodes which outlive the program, by node.
  let results: [Int: BufferID]
  /// Where the sample goes, pixel after pixel, before the first step.
  let image: BufferID?
  /// Where values go that another phase has computed and this one reads as tokens or images, by node.
  let imports: [Int: BufferID]
  /// Channels of the widest normalisation, for the runner's per-channel scratch.
  let widestNorm: BufferID
  let widestNormChannels: Int

  var contractions: [Contraction] {
    steps.compactMap { if case .contraction(let contraction) = $0 { contraction } else { nil } }
  }

  func offset(_ buffer: BufferID) -> Int { offsets[buffer.index] }
}
