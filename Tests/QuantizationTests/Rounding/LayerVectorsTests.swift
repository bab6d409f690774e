import Graphs
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct LayerVectorsTests {
  struct Geometry: Sendable, CustomTestStringConvertible {
    var kernel: Int
    var stride: Int
    var padding: Convolution.Padding
    var height: Int
    var width: Int
    var testDescription: String {
      "\(kernel)x\(kernel), stride \(stride), padding \(padding.top) \(padding.bottom), \(height)x\(width)"
    }
  }

  static let geometries = [
    Geometry(kernel: 3, stride: 1, padding: .init(leading: 1, trailing: 1), height: 5, width: 7),
    Geometry(kernel: 3, stride: 2, padding: .init(leading: 1, trailing: 1), height: 6, width: 8),
    // diffusers' downsampling without padding: one row and column of zeros behind.
    Geometry(kernel: 3, stride: 2, padding: .init(leading: 0, trailing: 1), height: 6, width: 6),
    Geometry(kernel: 1, stride: 1, padding: .init(leading: 0, trailing: 0), height: 4, width: 3),
    // Wider than the image, and more vectors than a block holds.
    Geometry(kernel: 5, stride: 1, padding: .init(leading: 2, trailing: 2), height: 2, width: 1),
    Geometry(kernel: 3, stride: 1, padding: .init(leading: 1, trailing: 1), height: 30, width: 30),
  ]

  /// Small whole numbers, so that sums are exact in any order.
  private func image(_ dims: [Int]) -> Tensor {
    let count = dims.reduce(1, *)
    return Tensor(dims, (0..<count).map { (i: Int) -> Float in Float((i * 37 + i / 5) % 9 - 4) })
  }

  /// Every patch, in the order of the weight's row.
  private func naivePatches(_ x: Tensor, _ kernel: Int, _ geometry: Geometry, out: [Int]) -> [[Double]] {
    var patches: [[Double]] = []
    for image in 0..<x.dims[0] {
      for y in 0..<out[0] {
        for column in 0..<out[1] {
          var patch: [Double] = []
          for c in 0..<x.dims[1] {
            for ky in 0..<kernel {
              for kx in 0..<kernel {
                let row = y * geometry.stride + ky - geometry.padding.top
                let source = column * geometry.stride + kx - geometry.padding.left
                let inside = (0..<geometry.height).contains(row) && (0..<geometry.width).contains(source)
                let line = (image * x.dims[1] + c) * geometry.height + row
                patch.append(inside ? Double(x.values[line * geometry.width + source]) : 0)
              }
            }
          }
          patches.append(patch)
        }
      }
    }
    return patches
  }

  @Test("patches of a convolution are those that its definition multiplies", arguments: geometries)
  func patches(_ geometry: Geometry) throws {
    var g = GraphBuilder()
    let source = g.sample(ImageShape(channels: 2, height: geometry.height, width: geometry.width))
    let out = g.conv2d(
      "conv", source, out: 3, kernel: geometry.kernel, stride: geometry.stride, padding: geometry.padding)
    let graph = try g.finish(output: out)
    let node = graph.nodes[graph.output]
    let vectors = try #require(LayerVectors(of: node, in: graph))
    let kernel = geometry.kernel
    let x = image([3, 2, geometry.height, geometry.width])
    let expected = naivePatches(x, kernel, geometry, out: Array(node.dims[1...]))
    #expect(expected.allSatisfy { $0.count == vectors.width })
    var sums = vectors.sums(products: true)
    for n in 0..<3 { vectors.add(x.rows(n..<n + 1), to: &sums) }
    sums.finish()

    let count = Double(expected.count)
    #expect(sums.count == expected.count)
    for i in 0..<vectors.width {
      let sum: Double = expected.reduce(0) { $0 + $1[i] }
      #expect(sums.mean[i] == sum / count)
    }
    let products = sums.meanProducts
    for i in 0..<vectors.width {
      for j in 0..<vectors.width {
        let sum: Double = expected.reduce(0) { $0 + $1[i] * $1[j] }
        #expect(products[i, j] == sum * (1 / count))
      }
    }
    // In one batch, with the same bits.
    var together = vectors.sums(products: true)
    vectors.add(x, to: &together)
    together.finish()
    #expect(together.meanProducts == sums.meanProducts && together.mean == sums.mean)
  }

  @Test("tokens and vectors count by themselves; layers that read the same are equal") func tokens() throws {
    var g = GraphBuilder()
    let tokens = g.toTokens("tokens", g.sample(ImageShape(channels: 3, height: 2, width: 2)))
    let query = g.linear("query", tokens, out: 5)
    let sum = g.add("sum", query, g.linear("key", tokens, out: 5))
    let graph = try g.finish(output: g.linear("out", sum, out: 5))
    let layers = graph.nodes.filter { ["query", "key", "out"].contains($0.path) }
    let kinds = layers.compactMap { LayerVectors(of: $0, in: graph) }
    try #require(kinds.count == 3)
    #expect(kinds[0] == kinds[1] && kinds[1] != kinds[2])
    #expect(graph.nodes.compactMap { LayerVectors(of: $0, in: graph) }.count == 3)
    var sums = kinds[0].sums(products: true)
    kinds[0].add(Tensor([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), to: &sums)
    sums.finish()
    #expect(sums.count == 4 && sums.mean == [5.5, 6.5, 7.5])
    #expect(sums.meanProducts[0, 1] == Double(1 * 2 + 4 * 5 + 7 * 8 + 10 * 11) / 4)
  }
}
