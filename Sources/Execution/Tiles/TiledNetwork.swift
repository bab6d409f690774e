import Graphs
import Tensors

/// A network from images to images of another resolution, run on images larger than those it was built for: tile after tile, the
/// results blended where tiles overlap. No more is in memory than a tile's working values and the two images.
///
/// A tile's values depend on the tile alone and are added up in one order, so results have the same bits whenever the geometry
/// is the same. They differ from those of the image as a whole, since normalisations see one tile at a time.
package struct TiledNetwork: Sendable {
  private let executor: any Executor
  private let rows: Axis
  private let columns: Axis
  private let inChannels: Int
  private let outChannels: Int

  /// One side of the images, and its tiles.
  private struct Axis: Sendable {
    /// Starts and extent of tiles in what goes in.
    let inStarts: [Int]
    let inExtent: Int
    let inLength: Int
    let outStarts: [Int]
    let outExtent: Int
    let outLength: Int
    let weights: [[Float]]

    /// - Parameters: length: in the unit of the geometry; inScale, outScale: pixels of each unit.
    init(_ geometry: TileGeometry, length: Int, inScale: Int, outScale: Int) {
      let starts = geometry.starts(along: length)
      let extent = min(geometry.size, length)
      inStarts = starts.map { $0 * inScale }
      inExtent = extent * inScale
      inLength = length * inScale
      outStarts = starts.map { $0 * outScale }
      outExtent = extent * outScale
      outLength = length * outScale
      weights = geometry.weights(along: length, scale: outScale)
    }
  }

  /// - Parameters:
  ///   - executor: of the network for one tile.
  ///   - graph: that network; its input is `inScale` times a tile's units, its output `outScale` times.
  ///   - geometry: of tiles, in units.
  ///   - height: of the images, in units.
  ///   - width: of the images, in units.
  /// - Throws: `ExecutionError` when the network's input or output is of another size.
  package init(
    _ executor: any Executor, graph: Graph, geometry: TileGeometry, height: Int, width: Int, inScale: Int, outScale: Int
  ) throws(ExecutionError) {
    rows = Axis(geometry, length: height, inScale: inScale, outScale: outScale)
    columns = Axis(geometry, length: width, inScale: inScale, outScale: outScale)
    let input = graph.imageShape
    guard [input.height, input.width] == [rows.inExtent, columns.inExtent] else {
      throw .shape(expected: input.dims, found: [input.channels, rows.inExtent, columns.inExtent])
    }
    let output = graph.nodes[graph.output].shape
    guard let image = output.image, [image.height, image.width] == [rows.outExtent, columns.outExtent] else {
      throw .outputShape(expected: [output.channels, rows.outExtent, columns.outExtent], found: output.dims)
    }
    self.executor = executor
    inChannels = input.channels
    outChannels = image.channels
  }

  /// How many tiles an image has.
  package var tileCount: Int { rows.inStarts.count * columns.inStarts.count }
  package var inputShape: ImageShape {
    ImageShape(channels: inChannels, height: rows.inLength, width: columns.inLength)
  }
  package var outputShape: ImageShape {
    ImageShape(channels: outChannels, height: rows.outLength, width: columns.outLength)
  }

  /// - Parameters: x: N C H W; tileDone: is called after each tile of each image.
  /// - Returns: N C' H' W'.
  package func run(_ x: Tensor, tileDone: () throws -> Void = {}) throws -> Tensor {
    guard x.rank == 4, Array(x.dims.dropFirst()) == inputShape.dims else {
      throw ExecutionError.shape(expected: inputShape.dims, found: x.dims)
    }
    if tileCount == 1 {
      let result = try executor.run(NetworkInput(images: x))
      for _ in 0..<x.dims[0] { try tileDone() }
      return result
    }
    try MemoryBudget.require(
      MemoryBudget.product(4, x.dims[0], outputShape.count), for: "\(x.dims[0]) images of \(outputShape)")
    var out = Tensor([x.dims[0]] + outputShape.dims)
    for image in 0..<x.dims[0] {
      for row in rows.inStarts.indices {
        for column in columns.inStarts.indices {
          let tile = try executor.run(NetworkInput(images: cut(x, image, row, column)))
          add(tile, to: &out, image, row, column)
          try tileDone()
        }
      }
    }
    return out
  }

  /// What the executor is given, one after another: the tiles of every image, N C H W. - Parameter x: N C H W, of `inputShape`.
  package func pieces(of x: Tensor) -> Tensor {
    if tileCount == 1 { return x }
    return .stacked(
      (0..<x.dims[0]).flatMap { image in
        rows.inStarts.indices.flatMap { row in columns.inStarts.indices.map { cut(x, image, row, $0) } }
      })
  }

  private func cut(_ x: Tensor, _ image: Int, _ row: Int, _ column: Int) -> Tensor {
    var values: [Float] = []
    values.reserveCapacity(inChannels * rows.inExtent * columns.inExtent)
    for channel in 0..<inChannels {
      for y in 0..<rows.inExtent {
        let start =
          ((image * inChannels + channel) * rows.inLength + rows.inStarts[row] + y) * columns.inLength
          + columns.inStarts[column]
        values += x.values[start..<(start + columns.inExtent)]
      }
    }
    return Tensor([1, inChannels, rows.inExtent, columns.inExtent], values)
  }

  private func add(_ tile: Tensor, to out: inout Tensor, _ image: Int, _ row: Int, _ column: Int) {
    let (down, across) = (rows.weights[row], columns.weights[column])
    var position = 0
    for channel in 0..<outChannels {
      for y in 0..<rows.outExtent {
        let start =
          ((image * outChannels + channel) * rows.outLength + rows.outStarts[row] + y) * columns.outLength
          + columns.outStarts[column]
        for x in 0..<columns.outExtent {
          out.values[start + x] += down[y] * across[x] * tile.values[position]
          position += 1
        }
      }
    }
  }
}
