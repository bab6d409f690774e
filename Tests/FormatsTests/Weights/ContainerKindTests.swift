import Formats
import Tensors
import TestSupport
import Testing

/// What stands where weights should be, told by its bytes.
@Suite struct ContainerKindTests {
  private static func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + [UInt8](repeating: 0, count: 300) }
  private static let pointer = """
    version https://git-lfs.github.com/spec/v1
    oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
    size 741000

    """

  static let files: [(bytes: [UInt8], kind: ContainerKind, text: String)] = [
    ([], .empty, "the file is empty"),
    (
      Array(pointer.utf8), .lfsPointer(size: 741000),
      "a Git LFS pointer, which stands for a file of 741000 bytes, not the file itself"
    ),
    (Array("\n<!DOCTYPE html><html>".utf8), .webPage, "a web page, not weights"),
    (Array("<?xml version='1.0'?><Error>AccessDenied</Error>".utf8), .webPage, "a web page, not weights"),
    (Array("{\"_class_name\": \"UNet2DModel\"}".utf8), .json, "JSON text, not weights"),
    (padded([8, 7, 0x12, 7] + Array("pytorch".utf8)), .onnx, "an ONNX model; its weights cannot be read"),
    (padded(Array("GGUF".utf8)), .gguf, "a GGUF file; its weights cannot be read"),
    (padded([0x93] + Array("NUMPY".utf8)), .numPy, "NumPy arrays, not a checkpoint"),
    (storedZip([("a.npy", [1])]), .numPyArchive, "NumPy arrays, not a checkpoint"),
    (
      padded([0x89] + Array("HDF\r\n\u{1a}\nkeras_version".utf8)), .kerasHDF5,
      "an HDF5 file of Keras; its weights cannot be read"
    ),
    (padded([0x89] + Array("HDF\r\n\u{1a}\n".utf8)), .hdf5, "an HDF5 file, not weights"),
    (storedZip([("readme.txt", [1])]), .zip, "a ZIP file that is no checkpoint"),
    (storedZip([("m/data.pkl", [1]), ("m/constants.pkl", [1])]), .torchScript, "a TorchScript program, not weights"),
    (padded([0x1f, 0x8b, 8]), .gzip, "compressed by gzip"),
    ([UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8) + [0], .tar, "a tar archive"),
    (
      padded([0x83, 0xa4] + Array("conv".utf8)), .messagePack,
      "a MessagePack file, as Flax writes its weights; they cannot be read"
    ),
    (padded([0x89] + Array("PNG\r\n\u{1a}\n".utf8)), .image, "an image, not weights"),
    (padded([0xff, 0xd8, 0xff, 0xe0]), .image, "an image, not weights"),
    (Array("method: rtn\n# sandále".utf8), .text, "a text, not weights"),
    // Cut inside a character.
    (Array((String(repeating: "a", count: 1023) + "é").utf8), .text, "a text, not weights"),
    (Pickle.whole(Pickle.number(1)), .pickle, "a Python pickle that torch.save did not write"),
  ]

  @Test(arguments: files.indices)
  func filesAreNamedAsWhatTheyAre(_ index: Int) throws {
    let (bytes, kind, text) = Self.files[index]
    #expect(try ContainerKind(InputFile(bytes: bytes, name: "w.safetensors")) == kind)
    let error = try #require(thrownError { _ = try WeightFile(InputFile(bytes: bytes, name: "w.safetensors")) })
    #expect("\(error)".split(separator: "\n")[0] == "error[E-WEIGHTS-KIND]: w.safetensors: \(text)")
    // The reader of one container alone says it, too, where it would only be puzzled.
    if kind != .empty {
      #expect(
        "\(try #require(thrownError { _ = try SafetensorsFile(InputFile(bytes: bytes, name: "w.safetensors")) }))"
          == "\(error)")
    }
  }

  /// Hints say what to do.
  @Test func hintsLeadSomewhere() throws {
    let hint = try #require(
      thrownError { _ = try WeightFile(InputFile(bytes: Array(Self.pointer.utf8), name: "w")) } as? FormatError
    ).hint
    #expect(hint == "fetch the file with 'git lfs pull', or download it from the page that shows it")
  }

  @Test func containersAreRecognisedWhateverTheirNames() throws {
    #expect(try ContainerKind(Fixtures.path("pytorch/legacy.pth")) == .torchLegacy)
    #expect(try ContainerKind(Fixtures.path("pytorch/state.pth")) == .torchZip)
    let safetensors = Safetensors.encode(SafetensorsTests.sample)
    #expect(try ContainerKind(InputFile(bytes: safetensors, name: "a.ckpt")) == .safetensors)
    #expect(try WeightFile(InputFile(bytes: safetensors, name: "a.ckpt")).source.entries.count == 6)
    // A header of 640 bytes starts like a pickle.
    let header = [0x80, 2, 0, 0, 0, 0, 0, 0] + Array("{}".utf8) + [UInt8](repeating: 0x20, count: 638)
    #expect(try ContainerKind(InputFile(bytes: header, name: "a")) == .safetensors)
  }

  @Test func damagedContainersSayWhatIsMissing() throws {
    let zip = Array(Pickle.zipped(Pickle.whole(Pickle.map([("w", Pickle.tensor())])), storages: []).dropLast(30))
    let error = try #require(thrownError { _ = try WeightFile(InputFile(bytes: zip, name: "w.pt")) } as? FormatError)
    #expect(error.id.hasPrefix("E-ZIP-"), "\(error)")
    let cut = Array(Safetensors.encode(SafetensorsTests.sample).dropLast(1))
    let other = try #require(thrownError { _ = try WeightFile(InputFile(bytes: cut, name: "w")) } as? FormatError)
    #expect(other.id == "E-ST-TRUNCATED")
  }
}
