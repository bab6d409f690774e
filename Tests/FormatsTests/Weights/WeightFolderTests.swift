import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Which file of a folder holds the weights, and checkpoints in several files.
@Suite struct WeightFolderTests {
  private static func archive(_ names: [String], from first: Float = 0) -> TensorArchive {
    var archive = TensorArchive()
    for (i, name) in names.enumerated() { archive.tensors[name] = StoredTensor(Tensor([2], [first, Float(i)])) }
    return archive
  }

  private static func find(_ names: [String], variant: String? = nil) throws -> (name: String, notes: [String]) {
    let folder = try TemporaryFolder()
    for name in names { try AtomicFile.write([], to: folder.file(name)) }
    let found = try WeightFolder(folder.path, variant: variant)
    return (
      String(found.path.dropFirst(folder.path.count + 1)), found.notes.map { $0.replacing(folder.path, with: "F") }
    )
  }

  private static let plain = "diffusion_pytorch_model.safetensors"
  private static let half = "diffusion_pytorch_model.fp16.safetensors"

  @Test func theFileIsFoundByItsName() throws {
    #expect(try Self.find(["config.json", Self.plain]) == (Self.plain, []))
    #expect(try Self.find([Self.plain, Self.half]) == (Self.plain, []))
    #expect(try Self.find([Self.plain, Self.half], variant: "fp16") == (Self.half, []))
    #expect(try Self.find([Self.half]) == (Self.half, ["took \(Self.half), the only weights in F"]))
    #expect(
      try Self.find(["diffusion_pytorch_model.bin", Self.plain])
        == (Self.plain, ["took \(Self.plain); beside it, not read: diffusion_pytorch_model.bin"]))
    #expect(try Self.find(["pytorch_model.bin"]) == ("pytorch_model.bin", []))
    let index = "diffusion_pytorch_model.safetensors.index.json"
    #expect(
      try Self.find([index, "diffusion_pytorch_model-00001-of-00002.safetensors"]) == (index, []))
    let halfIndex = "diffusion_pytorch_model.safetensors.index.fp16.json"
    #expect(try Self.find([Self.plain, halfIndex], variant: "fp16") == (halfIndex, []))
    #expect(
      try Self.find(["config.yml", "model-790000.ckpt"]) == (
        "model-790000.ckpt", ["took model-790000.ckpt, the only weights in F"]
      ))
  }

  @Test func namesThatAreNotUTF8AreNamed() throws {
    try withTemporaryFolder { folder in
      func make(_ name: [UInt8]) {
        let path = (Array((folder + "/").utf8) + name).map { CChar(bitPattern: $0) } + [0]
        let descriptor = open(path, O_CREAT | O_WRONLY, 0o644)
        #expect(descriptor >= 0 && close(descriptor) == 0)
      }
      make([0xe9] + Array(".safetensors".utf8))
      let error = #expect(throws: FormatError.self) { try WeightFolder(folder) }
      #expect(
        error?.description == "error[E-IO-NAME]: \(folder)/\\xE9.safetensors: not a usable file name: it is not UTF-8")
      make(Array(Self.plain.utf8))
      let found = try WeightFolder(folder)
      #expect(found.path == "\(folder)/\(Self.plain)")
      #expect(found.notes == ["passed over in \(folder), as their names are not UTF-8: \\xE9.safetensors"])
    }
  }

  @Test func choicesThatCannotBeMadeAreNamed() throws {
    func refusal(_ names: [String], variant: String? = nil) throws -> String {
      let error = try #require(thrownError { _ = try Self.find(names, variant: variant) } as? FormatError)
      return "\(error.id) \(error.message.drop { $0 != ":" })|\(error.hint ?? "")"
    }
    let ema = "diffusion_pytorch_model.non_ema.safetensors"
    #expect(
      try refusal([Self.half, ema])
        == "E-WEIGHTS-VARIANT : holds several variants of the weights: there are \"\(Self.half)\", \"\(ema)\"|name one with --variant"
    )
    #expect(
      try refusal([Self.plain], variant: "fp16")
        == "E-WEIGHTS-VARIANT : holds no variant \"fp16\": there are \"\(Self.plain)\"|name one with --variant")
    #expect(try refusal(["config.json"]).hasPrefix("E-WEIGHTS-NONE : holds no weights|"))
    #expect(try refusal(["a.ckpt", "b.pt"]).hasPrefix("E-WEIGHTS-NONE : holds no weights, only \"a.ckpt\", \"b.pt\"|"))
  }

  // MARK: Several files

  private static let index = "model.safetensors.index.json"

  private static func sharded(_ map: String, total: Int? = 24, shards: [String: [String]]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for (file, names) in shards { try Safetensors.write(archive(names, from: 1), to: folder.file(file)) }
    let metadata = total.map { #""metadata": {"total_size": \#($0)}, "# } ?? ""
    try AtomicFile.write("{\(metadata)\"weight_map\": \(map)}", to: folder.file(index))
    return folder
  }

  private static let shards = ["s1.safetensors": ["a", "c"], "s2.safetensors": ["b"]]
  private static let map = #"{"a": "s1.safetensors", "b": "s2.safetensors", "c": "s1.safetensors"}"#

  @Test func shardsAreReadAsOne() throws {
    for total in [24, nil] {
      let folder = try Self.sharded(Self.map, total: total, shards: Self.shards)
      let file = try WeightFile(folder.file(Self.index))
      #expect(file.source.entries.map(\.name) == ["a", "b", "c"])
      #expect(try file.source.read("c", rows: 1..<2).floats() == Tensor([1], [1]))
      #expect(file.paths == [Self.index, "s1.safetensors", "s2.safetensors"].map(folder.file))
    }
  }

  @Test(arguments: [
    (#"{"a": "s1.safetensors", "b": "s3.safetensors"}"#, 24, #"the file "s3.safetensors" is not there"#),
    (
      #"{"a": "../s1.safetensors", "b": "s2.safetensors"}"#, 24,
      #""a": expected the name of a file beside the index, found "../s1.safetensors""#
    ),
    (
      #"{"a": "s1.safetensors", "b": "s2.safetensors", "c": "s2.safetensors"}"#, 24,
      "\"c\" is not in \"s2.safetensors\"\n  \"s1.safetensors\" holds \"c\", which is not listed there"
    ),
    (map, 28, "total_size is 28, the arrays have 24 bytes"), ("{}", 24, "weight_map is empty"),
    ("[]", 24, "no map weight_map"),
  ])
  func contradictionsAreNamed(_ map: String, _ total: Int, _ problem: String) throws {
    let folder = try Self.sharded(map, total: total, shards: Self.shards)
    let error = try #require(thrownError { _ = try WeightFile(folder.file(Self.index)) })
    #expect(
      "\(error)"
        == """
        error[E-WEIGHTS-INDEX]: \(folder.file(Self.index)): the index does not fit its files
          \(problem)
        hint: copy or download the folder again
        """)
  }
}
