import CKernels
import Graphs
import Tensors

/// The value at a site for the image that a runner works on, where it lies.
struct ObservedValue {
  let site: Site
  /// As the graph has it.
  let shape: Shape
  let base: UnsafePointer<Float>
  /// Pixels of channels (then strides apply); otherwise row-major in `dims`.
  let isChannelsLast: Bool
  let width: Int
  let pixelStride: Int
  let rowStride: Int
}

/// Runs a program for one image in one arena. With a pool, each step's outputs are divided among its workers; which
/// worker computes an output never changes its value.
struct ProgramRunner {
  let graph: Graph
  let parameters: [String: Tensor]
  let program: Program
  let constants: CallConstants
  let kernels: KernelTable
  let arena: UnsafeMutableRawPointer
  /// Present when this image has all workers to itself.
  private(set) var pool: WorkerPool?
  let observer: ((ObservedValue) -> Void)?
  /// Present when the time of each step is asked for.
  private(set) var profile: ExecutionProfile?

  func floats(_ buffer: BufferID) -> UnsafeMutablePointer<Float> {
    (arena + program.offset(buffer)).assumingMemoryBound(to: Float.self)
  }

  func run() { Self.run([self]) }

  /// Runs one program for several images, each in its own arena. - Precondition: all have the same program, at least one.
  static func run(_ runners: [ProgramRunner]) {
    let program = runners[0].program
    for stretch in program.stretches {
      if stretch.isStepByStep {
        for step in program.steps[stretch.steps] { for runner in runners { runner.runTimed(step) } }
      } else {
        for runner in runners { for step in program.steps[stretch.steps] { runner.runTimed(step) } }
      }
    }
  }

  private func runTimed(_ step: ProgramStep) { timed(step.work) { run(step) } }

  /// - Parameter work: what the time counts as; nil when the step's parts are timed by themselves.
  func timed<R>(_ work: @autoclosure () -> String?, _ body: () -> R) -> R {
    guard let profile, let work = work() else { return body() }
    return profile.measure(work, body)
  }

  private func run(_ step: ProgramStep) {
    switch step {
    case .contraction(let contraction): run(contraction)
    case .materialize(let preparation, let target): materialize(preparation, into: target)
    case .attention(let step): run(step)
    case .add(let a, let b, let target, let count):
      kernels.add(floats(a), floats(b), floats(target), count)
    case .affine(let x, let target, let count, let scale, let offset):
      kernels.affine(floats(x), scale, offset, floats(target), count)
    case .addPerChannel(let x, let temporal, let target, let pixels, let channels):
      vector(temporal) { shift in
        copyPixels(x, channels: channels, pixels: pixels, to: floats(target), pixelStride: channels, adding: shift)
      }
    case .concatenate(let segments, let target, let pixels):
      let channels = segments.reduce(0) { $0 + $1.channels }
      var offset = 0
      for segment in segments {
        copyPixels(
          segment.buffer, channels: segment.channels, pixels: pixels, to: floats(target) + offset,
          pixelStride: channels)
        offset += segment.channels
      }
    case .averagePool(let x, let target, let height, let width, let channels):
      var pool = ht_average_pool(
        source: UnsafePointer(floats(x)), source_row_stride: Int64(2 * width * channels),
        source_pixel_stride: Int64(channels), destination: floats(target),
        destination_row_stride: Int64(width * channels), destination_pixel_stride: Int64(channels),
        height: Int32(height), width: Int32(width), channels: Int32(channels))
      kernels.averagePool(&pool)
    case .pool(let x, let target, let pooling, let height, let width, let channels, let rows, let columns):
      split(rows) { rows in
        Self.slide(
          pooling, from: UnsafePointer(floats(x)), height: height, width: width, channels: channels,
          to: floats(target), rows: rows, columns: columns)
      }
    case .globalAveragePool(let x, let target, let height, let width, let channels):
      var sums = ht_channel_sums(
        source: UnsafePointer(floats(x)), row_stride: Int64(width * channels), pixel_stride: Int64(channels),
        height: Int32(height), width: Int32(width), channels: Int32(channels), power: 1, center: nil,
        out: floats(target))
      kernels.channelSums(&sums)
      kernels.affine(floats(target), 1 / Float(height * width), 0, floats(target), channels)
    case .copy(let x, let target, let count):
      floats(target).update(from: floats(x), count: count)
    case .vectorInput(let name, let target, let count):
      guard let vector = constants.key.conditioning.vectors[name] else { preconditionFailure("no vector \(name)") }
      floats(target).update(from: vector, count: count)
    case .embed(let index, let target):
      let node = graph.nodes[index]
      let values = TemporalEmbedding.values(
        of: node, number: constants.key.number(of: graph.nodes[node.inputs[0]].op.meaning), parameters: parameters)
      floats(target).update(from: values, count: values.count)
    case .divideByTimestep(let x, let target, let count):
      kernels.affine(floats(x), 1 / Float(constants.key.number(of: .timestep)), 0, floats(target), count)
    }
  }

  // MARK: Helpers shared by the steps

  /// A temporal node's vector.
  func vector(_ node: Int, _ body: (UnsafePointer<Float>) -> Void) {
    constants.floats.withUnsafeBufferPointer { body($0.baseAddress! + constants.vectors[node]!) }
  }

  /// Threads that share the work on this image.
  var workers: Int { pool?.threads ?? 1 }

  /// The same on one thread, for work that its caller divides.
  func alone(isTimed: Bool) -> ProgramRunner {
    var runner = self
    runner.pool = nil
    if !isTimed { runner.profile = nil }
    return runner
  }

  /// Runs `body` over 0..<count: in one piece, or in one piece per worker.
  func split(_ count: Int, _ body: (Range<Int>) -> Void) {
    let pieces = min(workers, count)
    parallel(pieces) { piece in body((count * piece / pieces)..<(count * (piece + 1) / pieces)) }
  }

  func parallel(_ count: Int, _ body: (Int) -> Void) {
    guard let pool, count > 1 else { return (0..<count).forEach(body) }
    pool.parallel(count, body)
  }

  /// Copies whole pixels into a wider row of channels, a vector per channel added where there is one.
  private func copyPixels(
    _ source: BufferID, channels: Int, pixels: Int, to target: UnsafeMutablePointer<Float>, pixelStride: Int,
    adding shift: UnsafePointer<Float>? = nil
  ) {
    var pass = ht_transform(
      line: floats(source), pixels: pixels, channels: channels, to: target, pixelStride: pixelStride)
    pass.shift = shift
    kernels.transform(&pass)
  }
}

extension ht_transform: ElementWriter {
  /// A pass over dense pixels as one line; the caller adds what happens to them on the way.
  init(
    line source: UnsafePointer<Float>, pixels: Int, channels: Int, to target: UnsafeMutableRawPointer, pixelStride: Int
  ) {
    self.init()
    self.source = source
    source_pixel_stride = Int64(channels)
    destination = target
    destination_pixel_stride = Int64(pixelStride)
    height = 1
    width = Int32(pixels)
    self.channels = Int32(channels)
  }
}
