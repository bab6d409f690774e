import Graphs
import Tensors

/// The memory of a gradient executor: values and cotangents, the grids that convolutions read, and what learned layers share.
struct GradientMemory {
  let slots: GradientSlots
  private let places: GradientPlaces
  private let arena: AlignedBuffer
  /// Images whose grids there is room for.
  let gridImages: Int
  private let inputGrids: AlignedBuffer
  private let cotangentGrids: AlignedBuffer
  private let scratch: AlignedBuffer
  private let scratchCount: Int
  private let probabilities: AlignedBuffer
  private let blockCount: Int
  private let weight: AlignedBuffer
  private let packedWeight: AlignedBuffer
  private let weightGradient: AlignedBuffer

  /// Images whose grids are there at once, so that their bytes do not grow with the batch.
  private static let leastGridImages = 4

  /// - Parameters: attentionBlock: values of the largest block of attention's probabilities; threads: workers that want an image's
  ///   grids each.
  init(
    _ slots: GradientSlots, layers: [GradientLayer], capacity: Int, attentionBlock: Int, threads: Int
  ) throws(KernelError) {
    self.slots = slots
    gridImages = min(capacity, max(threads, Self.leastGridImages))
    places = GradientPlaces(slots, capacity: capacity)
    arena = try AlignedBuffer(byteCount: places.bytes)
    let spread = layers.filter { !$0.geometry.isPointwise }.map(\.geometry)
    inputGrids = try AlignedBuffer(byteCount: 4 * gridImages * (spread.map(\.inputGridCount).max() ?? 0))
    cotangentGrids = try AlignedBuffer(byteCount: 4 * gridImages * (spread.map(\.cotangentGridCount).max() ?? 0))
    scratchCount = slots.scratchCount
    scratch = try AlignedBuffer(byteCount: 4 * capacity * scratchCount)
    blockCount = attentionBlock
    probabilities = try AlignedBuffer(byteCount: 4 * 2 * capacity * attentionBlock)
    let learned = layers.filter(\.isLearned)
    func largest(_ layers: [GradientLayer], _ count: (GradientLayer) -> Int) -> Int {
      4 * (layers.map(count).max() ?? 0)
    }
    weight = try AlignedBuffer(byteCount: largest(layers, \.count))
    packedWeight = try AlignedBuffer(
      byteCount: largest(learned) { max($0.packedCount(.forward), $0.packedCount(.backward)) })
    weightGradient = try AlignedBuffer(byteCount: largest(learned, \.count))
  }

  /// - Parameter isBack: whether the walk backwards has begun.
  func value(_ slot: Int, isBack: Bool) -> UnsafeMutablePointer<Float> {
    arena.pointer(at: places.value(slot, isBack: isBack))
  }
  /// By slot: whether the walk backwards reads the value and finds it gone.
  var isMadeAgain: [Bool] { places.isMadeAgain }
  func cotangent(_ slot: Int) -> UnsafeMutablePointer<Float> {
    precondition(places.cotangents[slot] >= 0, "no cotangent was asked for")
    return arena.pointer(at: places.cotangents[slot])
  }
  /// The grids of one image; images that are `gridImages` apart have the same.
  func inputGrid(_ geometry: LayerGeometry, image: Int) -> UnsafeMutablePointer<Float> {
    inputGrids.pointer(at: 4 * (image % gridImages) * geometry.inputGridCount)
  }
  func cotangentGrid(_ geometry: LayerGeometry, image: Int) -> UnsafeMutablePointer<Float> {
    cotangentGrids.pointer(at: 4 * (image % gridImages) * geometry.cotangentGridCount)
  }
  /// The weight of one layer at a time, the packed weight and the gradient of one learned layer at a time.
  var layerWeight: UnsafeMutablePointer<Float> { weight.pointer() }
  var packedLayer: UnsafeMutablePointer<Float> { packedWeight.pointer() }
  var layerGradient: UnsafeMutablePointer<Float> { weightGradient.pointer() }

  /// Room for one value of `GradientSlots.scratchCount` elements, for each image.
  func scratch(image: Int) -> UnsafeMutablePointer<Float> { scratch.pointer(at: 4 * image * scratchCount) }
  /// A block of probabilities and one of their cotangents, for each image.
  func probabilityBlock(image: Int) -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) {
    let first: UnsafeMutablePointer<Float> = probabilities.pointer(at: 4 * 2 * image * blockCount)
    return (first, first + blockCount)
  }
}
