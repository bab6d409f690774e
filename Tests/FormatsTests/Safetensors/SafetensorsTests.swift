import Formats
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  static let sample = TensorArchive(
    tensors: [
      "conv.weight": StoredTensor(Tensor([2, 3], [0, 1, -2, 3.5, -0.0, .greatestFiniteMagnitude])),
      "bytes": StoredTensor(dims: [3], [1, 2, 255] as [UInt8]),
      "zero points": StoredTensor(dims: [2], [-1, 300] as [Int16]),
      "statistics": StoredTensor(dims: [1, 2], [1e-300, .pi]),
      "none": StoredTensor(dims: [0, 4], [] as [UInt8]),
      "one": StoredTensor(dims: [], [7] as [Int64]),
    ],
    metadata: ["format": "pt", "note": "quote \" backslash \\ newline \n é"])

  @Test func roundTrip() throws {
    let file = try SafetensorsFile(InputFile(bytes: Safetensors.encode(Self.sample), name: "sample"))
    let read = try file.archive()
    #expect(read.tensors == Self.sample.tensors)
    #expect(read.metadata == Self.sample.metadata)
    #expect(file.entries.map(\.name) == Self.sample.names)
    #expect(try file.tensor("one").doubles() == [7])
    #expect(throws: FormatError.safetensors("sample", .missing("two"))) { try file.tensor("two") }
  }

  @Test func writingIsDeterministicAlignedAndWhole() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a.safetensors"
      try Safetensors.write(Self.sample, to: path)
      let bytes = try InputFile.contents(of: path, limit: 1 << 20)
      #expect(bytes == Safetensors.encode(Self.sample))
      let file = try SafetensorsFile(path)
      for (entry, range) in zip(file.entries, file.ranges) { #expect(range.lowerBound % entry.type.byteCount == 0) }
      #expect(try Folder.names(in: folder) == ["a.safetensors"])
    }
  }

  @Test(arguments: ["unet-ddpm", "unet-fourier", "unet-class-scale-shift", "unet-nonsquare-gelu", "unet-resnet-updown"])
  func readsFilesOfTheReferenceWriter(_ model: String) throws {
    let file = try SafetensorsFile(Fixtures.golden("\(model)/diffusion_pytorch_model.safetensors"))
    let bias = try #require(try file.tensor("conv_in.bias").floats())
    let weight = try file.tensor("conv_in.weight")
    #expect(weight.type == .f32 && weight.dims.count == 4 && weight.dims[0] == bias.dims[0])
    #expect(file.metadata["format"] == "pt")
    let archive = try file.archive()
    #expect(Safetensors.encode(archive).count <= file.ranges.map(\.upperBound).max()! + 1024)
  }

  @Test func rowsAreReadAlone() throws {
    let file = try SafetensorsFile(InputFile(bytes: Safetensors.encode(Self.sample), name: "sample"))
    let rows = try file.read("conv.weight", rows: 1..<2)
    #expect(rows == StoredTensor(Tensor([1, 3], [3.5, -0.0, .greatestFiniteMagnitude])))
    #expect(try file.read("conv.weight", rows: 2..<2).dims == [0, 3])
    #expect(file.entry("conv.weight") == WeightEntry(name: "conv.weight", type: .f32, dims: [2, 3]))
    #expect(file.entry("conv") == nil && file.entry("zz") == nil && file.entry("") == nil)
  }

  /// The reference library takes null for no metadata.
  @Test func metadataMayBeNull() throws {
    let header = #"{"__metadata__": null, "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}"#
    let bytes = [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + [7]
    let archive = try SafetensorsFile(InputFile(bytes: bytes, name: "m")).archive()
    #expect(archive.metadata.isEmpty && archive.tensors["a"]?.bytes == [7])
  }

  /// One array after another, in pieces: the bytes of the whole archive at once.
  @Test func streamedFilesHaveTheSameBytes() throws {
    try withTemporaryFolder { folder in
      try Safetensors.write(Self.sample.entries, metadata: Self.sample.metadata, to: folder + "/a") { entry, put in
        let bytes = try #require(Self.sample.tensors[entry.name]).bytes
        for byte in bytes { try put([byte]) }
      }
      #expect(try InputFile.contents(of: folder + "/a", limit: 1 << 20) == Safetensors.encode(Self.sample))
    }
  }

  /// Names are sorted once and compared with their neighbours; nothing is quadratic in their number.
  @Test(.timeLimit(.minutes(1))) func manyTensorsAreReadAtOnce() throws {
    let count = 200_000
    let items = (0..<count).map { #""t\#($0)":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"# }
    let header = Array("{\(items.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    let file = try SafetensorsFile(InputFile(bytes: length + header, name: "many"))
    #expect(file.entries.count == count && file.entry("t199999")?.dims == [0])
  }
}
