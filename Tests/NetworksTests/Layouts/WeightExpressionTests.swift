import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// Parameters made of parts and combinations of stored arrays.
@Suite struct WeightExpressionTests {
  /// A linear layer of two rows and two columns on a vector's time embedding, called `layer`.
  private func graph(rows: Int = 2) throws -> Graph {
    var g = GraphBuilder()
    let image = g.sample(ImageShape(channels: 2, height: 1, width: 1))
    return try g.finish(output: g.linear("layer", g.toTokens("tokens", image), out: rows))
  }

  private struct Fixed: WeightLayout {
    let name = "test"
    let weight: WeightExpression
    let bias: WeightExpression
    func expressions(for parameter: Parameter) -> [WeightExpression] {
      [parameter.name == "layer.weight" ? weight : bias]
    }
    func leavesOut(_ name: String) -> Bool { name.hasPrefix("idle.") }
  }

  private func load(_ weight: WeightExpression, _ bias: WeightExpression, _ tensors: [String: Tensor]) throws -> Model {
    try Model.load(
      graph: graph(), archive: TensorArchive(tensors: tensors.mapValues { StoredTensor($0) }), file: "m",
      layout: Fixed(weight: weight, bias: bias))
  }

  private func problems(
    _ weight: WeightExpression, _ bias: WeightExpression, _ tensors: [String: Tensor]
  ) -> [WeightsError.Problem]? {
    (thrownError { _ = try load(weight, bias, tensors) } as? WeightsError)?.problems
  }

  @Test func rowsOfAFusedArray() throws {
    // Two heads of one channel: rows are [head][q, k, v], and the array has a trailing axis as a convolution's.
    let keys = RowSelection(total: 6, first: 1, length: 1, stride: 3, count: 2)
    let fused = Tensor([6, 2, 1], (0..<12).map(Float.init))
    let biases = Tensor([6], (100..<106).map(Float.init))
    let model = try load(
      .rows(keys, of: .stored("qkv.weight")), .rows(keys, of: .stored("qkv.bias")),
      ["qkv.weight": fused, "qkv.bias": biases])
    #expect(model.parameters["layer.weight"] == Tensor([2, 2], [2, 3, 8, 9]))
    #expect(model.parameters["layer.bias"] == Tensor([2], [101, 104]))
  }

  @Test func transposesAndSums() throws {
    let model = try load(
      .sum(.transposed(.stored("a")), .stored("b")),
      .rows(RowSelection(total: 4, first: 2, length: 2, stride: 2, count: 1), of: .sum(.stored("c"), .stored("c"))),
      [
        "a": Tensor([2, 2], [1, 2, 3, 4]), "b": Tensor([2, 2, 1, 1], [10, 20, 30, 40]), "c": Tensor([4], [1, 2, 3, 4]),
        "idle.x": Tensor([1], [0]),
      ])
    #expect(model.parameters["layer.weight"]?.values == [11, 23, 32, 44])
    #expect(model.parameters["layer.bias"]?.values == [6, 8])
  }

  @Test func batchNormalisationsFold() throws {
    let norm = FoldedNormalization(name: "bn", epsilon: 1)
    let tensors = [
      "w": Tensor([2, 2], [1, 2, 3, 4]), "bn.weight": Tensor([2], [2, 3]), "bn.bias": Tensor([2], [0.5, 1]),
      "bn.running_mean": Tensor([2], [1, -2]), "bn.running_var": Tensor([2], [3, 8]),
    ]
    // Scales 2 / sqrt(4) and 3 / sqrt(9).
    let model = try load(.scaled(.stored("w"), by: norm), .shift(norm), tensors)
    #expect(model.parameters["layer.weight"]?.values == [1, 2, 3, 4])
    #expect(model.parameters["layer.bias"]?.values == [-0.5, 3])
  }

  @Test func aFusedArraysFaultsAreReportedOnce() throws {
    let first = RowSelection(total: 4, first: 0, length: 2, stride: 2, count: 1)
    let second = RowSelection(total: 4, first: 2, length: 2, stride: 2, count: 1)
    var g = GraphBuilder()
    let tokens = g.toTokens("tokens", g.sample(ImageShape(channels: 1, height: 1, width: 1)))
    let sum = g.add("add", g.linear("a", tokens, out: 2, bias: false), g.linear("b", tokens, out: 2, bias: false))
    let graph = try g.finish(output: sum)
    let layout = ModuleLayout(name: "test", places: ["a": .rows(first, of: "ab"), "b": .rows(second, of: "ab")])
    func problems(_ tensors: [String: Tensor]) -> [WeightsError.Problem]? {
      let archive = TensorArchive(tensors: tensors.mapValues { StoredTensor($0) })
      return (thrownError { _ = try Model.load(graph: graph, archive: archive, layout: layout) } as? WeightsError)?
        .problems
    }
    #expect(problems(["ab.weight": Tensor([4, 1], [1, 2, 3, 4])]) == nil)
    #expect(problems([:]) == [.missing(name: "ab.weight", dims: [4, 1])])
    #expect(
      problems(["ab.weight": Tensor([5, 1]), "c": Tensor([1])])
        == [.unexpected(name: "c", dims: [1]), .shape(name: "ab.weight", expected: [4, 1], found: [5, 1])])
    let found = problems(["ab.weight": Tensor([4, 1], [1, .infinity, .infinity, .infinity])])
    #expect(found == [.notFinite(name: "ab.weight", value: .infinity, position: 1, count: 3)])
  }
}
