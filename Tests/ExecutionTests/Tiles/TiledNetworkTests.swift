import Execution
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// Large images in pieces: where tiles lie, how they are blended, and that results follow from the geometry alone.
@Suite struct TiledNetworkTests {
  @Test func tilesCoverTheirSideAndEndWithIt() {
    let geometry = TileGeometry(size: 8, overlap: 2)
    #expect(geometry.starts(along: 8) == [0])
    #expect(geometry.starts(along: 5) == [0])
    #expect(geometry.starts(along: 9) == [0, 1])
    #expect(geometry.starts(along: 14) == [0, 6])
    #expect(geometry.starts(along: 21) == [0, 6, 12, 13])
  }

  @Test(arguments: [9, 14, 21, 40]) func weightsAddUpToOneAndOneAloneIsExact(_ length: Int) {
    let geometry = TileGeometry(size: 8, overlap: 2)
    let starts = geometry.starts(along: length)
    let weights = geometry.weights(along: length, scale: 3)
    var sums = [Float](repeating: 0, count: 3 * length)
    var covers = [Int](repeating: 0, count: 3 * length)
    for (start, tile) in zip(starts, weights) {
      #expect(tile.count == 24)
      for (position, weight) in tile.enumerated() {
        sums[3 * start + position] += weight
        covers[3 * start + position] += 1
      }
    }
    #expect(sums.allSatisfy { abs($0 - 1) < 1e-6 })
    #expect(zip(sums, covers).allSatisfy { $1 > 1 || $0 == 1 })
  }

  /// Twice as large, by nearest copies and a 1x1 convolution: every tile computes what the whole image does.
  private func network(height: Int, width: Int) throws -> Model {
    var g = GraphBuilder()
    let x = g.sample(ImageShape(channels: 2, height: height, width: width))
    let graph = try g.finish(output: g.conv2d("conv", g.upsampleNearest("up", x), out: 3, kernel: 1))
    return Model(graph: graph, parameters: ModelFolderMaker.parameters(of: graph))
  }

  @Test func aNetworkOfSinglePixelsIsTheSameInTiles() throws {
    let (height, width) = (11, 19)
    var random = SplitMix64(seed: 3)
    let x = Tensor([2, 2, height, width], random.floats(2 * 2 * height * width))
    let whole = try FloatExecutor(network(height: height, width: width)).run(NetworkInput(images: x))
    let model = try network(height: 8, width: 8)
    let tiled = try TiledNetwork(
      FloatExecutor(model), graph: model.graph, geometry: TileGeometry(size: 8, overlap: 3), height: height,
      width: width, inScale: 1, outScale: 2)
    #expect(tiled.tileCount == 2 * 4 && tiled.outputShape == ImageShape(channels: 3, height: 22, width: 38))
    var done = 0
    let found = try tiled.run(x) { done += 1 }
    #expect(done == 16)
    #expect(found.dims == whole.dims && relativeError(found, whole) < 1e-6)
    // Bits follow from the geometry: not from which images are worked on together, nor from threads.
    #expect(try tiled.run(x.rows(1..<2)).values == Array(found.values[whole.count / 2..<whole.count]))
    let alone = try TiledNetwork(
      FloatExecutor(model, pool: WorkerPool(threads: 1)), graph: model.graph,
      geometry: TileGeometry(size: 8, overlap: 3), height: height, width: width, inScale: 1, outScale: 2)
    #expect(try alone.run(x) == found)
  }

  @Test func anotherNetworkThanTheTilesIsRefused() throws {
    let model = try network(height: 8, width: 8)
    func make(outScale: Int, height: Int) throws {
      _ = try TiledNetwork(
        FloatExecutor(model), graph: model.graph, geometry: TileGeometry(size: 8, overlap: 3), height: height,
        width: 20, inScale: 1, outScale: outScale)
    }
    #expect(throws: ExecutionError.outputShape(expected: [3, 8, 8], found: [3, 16, 16])) {
      try make(outScale: 1, height: 20)
    }
    #expect(throws: ExecutionError.shape(expected: [2, 8, 8], found: [2, 5, 8])) { try make(outScale: 2, height: 5) }
  }
}
