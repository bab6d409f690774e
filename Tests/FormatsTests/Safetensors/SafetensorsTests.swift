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
      for entry in try SafetensorsFile(path).entries { #expect(entry.range.lowerBound % entry.type.byteCount == 0) }
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
    #expect(Safetensors.encode(archive).count <= file.entries.map(\.range.upperBound).max()! + 1024)
  }
}
