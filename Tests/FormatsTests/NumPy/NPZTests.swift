import Formats
import Tensors
import TestSupport
import Testing

@Suite struct NPZTests {
  @Test func roundTrip() throws {
    let archive = TensorArchive(tensors: SafetensorsTests.sample.tensors.filter { $0.key != "none" })
    try withTemporaryFolder { folder in
      try NPZ.write(archive, to: folder + "/a.npz")
      try NPZ.write(archive, to: folder + "/b.npz")
      #expect(try NPZ.read(folder + "/a.npz").tensors == archive.tensors)
      #expect(try Digest.sha256(file: folder + "/a.npz") == Digest.sha256(file: folder + "/b.npz"))
    }
  }

  @Test func readsNumPysOwnFiles() throws {
    let schedulers = try NPZFile(Fixtures.golden("schedulers.npz"))
    #expect(schedulers.names.contains("x_T"))
    let names = schedulers.names.filter { $0.hasSuffix("/timesteps") }
    #expect(!names.isEmpty)
    for name in names { #expect(try schedulers.open(name).header.dims.count == 1) }
    let io = try NPZ.read(Fixtures.golden("unet-ddpm/io.npz"))
    #expect(io.tensors["x"]?.dims == io.tensors["y"]?.dims)
  }

  @Test func rowsComeInBatches() throws {
    let values = (0..<70).map { Float($0) }
    try withTemporaryFolder { folder in
      let path = folder + "/rows.npz"
      try NPZ.write(to: path) { writer in
        try writer.add("x", type: .f32, dims: [7, 10]) { sink in
          for row in 0..<7 { try sink(StoredTensor(Tensor([10], Array(values[(row * 10)..<(row * 10 + 10)]))).bytes) }
        }
      }
      let reader = try NPZFile(path).open("x")
      var rows: [Tensor] = []
      while let batch = try reader.nextRows(3) { rows.append(try #require(batch.floats())) }
      #expect(rows.map { $0.dims[0] } == [3, 3, 1])
      #expect(Tensor.stacked(rows) == Tensor([7, 10], values))
    }
  }
}
