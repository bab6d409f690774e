import Graphs
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct WeightLoadingTests {
  private func graph() throws -> Graph {
    var g = GraphBuilder()
    let image = g.sample(ImageShape(channels: 2, height: 2, width: 2))
    let h = g.groupNorm("norm", g.conv2d("conv", image, out: 2, kernel: 1), groups: 1, epsilon: 1e-5)
    let tokens = g.scope("attn") { $0.linear("to_q", $0.toTokens("tokens", h), out: 2) }
    return try g.finish(output: tokens)
  }

  private func archive() -> TensorArchive {
    TensorArchive(
      tensors: [
        "conv.weight": StoredTensor(Tensor([2, 2, 1, 1], [1, 2, 3, 4])),
        "conv.bias": StoredTensor(Tensor([2], [5, 6])),
        "norm.weight": StoredTensor(Tensor([2], [7, 8])), "norm.bias": StoredTensor(Tensor([2], [9, 10])),
        "attn.to_q.weight": StoredTensor(Tensor([2, 2], [11, 12, 13, 14])),
        "attn.to_q.bias": StoredTensor(Tensor([2], [15, 16])),
      ])
  }

  @Test func aFittingArchiveLoads() throws {
    let model = try Model.load(graph: graph(), archive: archive())
    #expect(model.parameters["conv.weight"]?.values == [1, 2, 3, 4])
    #expect(model.parameters.count == 6)
  }

  @Test func everythingWrongIsListedAtOnce() throws {
    var archive = archive()
    archive.tensors["conv.bias"] = nil
    archive.tensors["norm.weight"] = StoredTensor(Tensor([3], [1, 1, 1]))
    archive.tensors["norm.bias"] = StoredTensor(dims: [2], [Int16(1), 2])
    archive.tensors["attn.to_q.bias"] = StoredTensor(Tensor([2], [.nan, 1]))
    archive.tensors["conv.weight"] = StoredTensor(Tensor([2, 2, 1, 1], [1, .infinity, -.infinity, 4]))
    archive.tensors["extra\u{1b}[0m"] = StoredTensor(Tensor([1], [0]))
    let error =
      thrownError { _ = try Model.load(graph: graph(), archive: archive, file: "m.safetensors") } as? WeightsError
    #expect(
      error?.message == """
        m.safetensors does not fit the network:
          missing: conv.bias [2]
          unexpected: extra\\u{1b}[0m [1]
          conv.weight: 2 values are not finite, first inf at index 1
          norm.weight: expected shape [2], found [3]
          norm.bias: expected F32, F16 or BF16, found I16
          attn.to_q.bias: 1 value is not finite, first nan at index 0
        """)
    #expect(error?.id == "E-WEIGHTS")
    #expect(error?.exit == .refusedInput)
  }

  @Test func olderAttentionNamesAndConvolutionShapesLoad() throws {
    var older = archive()
    older.tensors["attn.query.weight"] = StoredTensor(Tensor([2, 2, 1, 1], [11, 12, 13, 14]))
    older.tensors["attn.query.bias"] = older.tensors.removeValue(forKey: "attn.to_q.bias")
    older.tensors["attn.to_q.weight"] = nil
    let model = try Model.load(graph: graph(), archive: older)
    #expect(try model.parameters == Model.load(graph: graph(), archive: archive()).parameters)
    // Both spellings at once: one of them is left over.
    older.tensors["attn.to_q.bias"] = older.tensors["attn.query.bias"]
    let both = thrownError { _ = try Model.load(graph: graph(), archive: older) } as? WeightsError
    #expect(both?.problems == [.unexpected(name: "attn.query.bias", dims: [2])])
  }

  @Test func halfPrecisionWidensExactly() throws {
    var archive = archive()
    // 1.5 and -2 as binary16 and as bfloat16.
    archive.tensors["conv.bias"] = StoredTensor(type: .f16, dims: [2], bytes: [0x00, 0x3e, 0x00, 0xc0])
    archive.tensors["norm.bias"] = StoredTensor(type: .bf16, dims: [2], bytes: [0xc0, 0x3f, 0x00, 0xc0])
    let model = try Model.load(graph: graph(), archive: archive)
    #expect(model.parameters["conv.bias"]?.values == [1.5, -2])
    #expect(model.parameters["norm.bias"]?.values == [1.5, -2])
  }
}
