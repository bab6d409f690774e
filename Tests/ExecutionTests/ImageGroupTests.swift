import Execution
import Graphs
import Tensors
import TestSupport
import Testing

@Suite struct ImageGroupTests {
  @Test func noWorkerHasMoreImagesThanWithoutGroups() {
    for batch in 1...70 {
      for workers in 1...min(batch, 9) {
        for arena in [1 << 10, 10 << 20, 33 << 20, 200 << 20] {
          let groups = ImageGroups(batch: batch, workers: workers, arenaBytes: arena)
          let what = "\(batch) images, \(workers) workers, \(arena) bytes: \(groups)"
          // Every image is in one group.
          let images = (0..<groups.count).flatMap { Array(groups.images(of: $0, batch: batch)) }
          #expect(images == Array(0..<batch), "\(what)")
          let rounds = (groups.count + workers - 1) / workers
          #expect(rounds * groups.size <= (batch + workers - 1) / workers, "\(what)")
          #expect(groups.size == 1 || groups.size * arena <= 64 << 20 && groups.size <= 8, "\(what)")
          // As many workers as there are have work at once, and no image's memory is missing.
          #expect(groups.inFlight <= batch && groups.inFlight >= min(batch, workers), "\(what)")
          #expect(groups.inFlight <= workers * groups.size, "\(what)")
        }
      }
    }
    #expect(ImageGroups(batch: 8, workers: 2, arenaBytes: 4 << 20).size == 4)
    #expect(ImageGroups(batch: 8, workers: 2, arenaBytes: 30 << 20).size == 2)
    #expect(ImageGroups(batch: 8, workers: 3, arenaBytes: 1).size == 3)
    #expect(ImageGroups(batch: 64, workers: 2, arenaBytes: 1).size == 8)
  }

  /// Large maps and small ones, so that some steps are taken image by image and others together.
  private static let example = ExecutorCase("large and small maps", channels: 16, height: 16, width: 16, batch: 11) {
    g, image in
    let down = g.conv2d("down1", image, out: 32, stride: 2)
    let small = g.conv2d("down2", g.activation("act", down, .silu), out: 64, stride: 2)
    let mixed = g.conv2d("mid", g.groupNorm("norm", small, groups: 4, epsilon: 1e-5), out: 64)
    let up = g.upsampleNearest("up", g.upsampleNearest("up1", g.add("sum", small, mixed)))
    return g.conv2d("out", g.concatenate("joined", up, image), out: 16)
  }

  @Test func stepsThatAreNoLayersGoWithTheLayerBeforeThem() {
    let none: [Bool?] = []
    #expect(Stretch.divide(none) == [])
    #expect(
      Stretch.divide([nil, false, nil, true, true, nil, false, nil]) == [
        Stretch(steps: 0..<3, isStepByStep: false), Stretch(steps: 3..<6, isStepByStep: true),
        Stretch(steps: 6..<8, isStepByStep: false),
      ])
    #expect(
      Stretch.divide([nil, true]) == [
        Stretch(steps: 0..<1, isStepByStep: false), Stretch(steps: 1..<2, isStepByStep: true),
      ])
  }

  @Test(arguments: [1, 2, 3, 11, 16]) func groupsGiveTheBitsOfSingleImages(threads: Int) throws {
    let example = Self.example
    let table = try TableMaker.table(for: example, weightBits: 8)
    let pool = WorkerPool(threads: threads)
    let executors: [any Executor] = [
      try FloatExecutor(example.model, pool: pool), try FloatExecutor(example.model, winograd: true, pool: pool),
      try FloatExecutor(example.model, simulating: table, pool: pool),
      try IntegerExecutor(example.model, table: table, pool: pool),
    ]
    for executor in executors {
      let together = try executor.run(example.input)
      for image in 0..<11 {
        let single = NetworkInput(
          x: example.input.x.rows(image..<(image + 1)), timesteps: [example.input.timesteps[image]])
        #expect(try executor.run(single) == together.rows(image..<(image + 1)), "\(type(of: executor)), image \(image)")
      }
    }
  }

  @Test func workingMemoryCountsEveryImageInFlight() throws {
    let executor = try FloatExecutor(Self.example.model, pool: WorkerPool(threads: 2))
    #expect(executor.workingBytes(batch: 1) == executor.arenaBytes)
    #expect(executor.workingBytes(batch: 2) == 2 * executor.arenaBytes)
    #expect(executor.workingBytes(batch: 11) == 11 * executor.arenaBytes)
    #expect(executor.workingBytes(batch: 96) == 16 * executor.arenaBytes)
  }
}
