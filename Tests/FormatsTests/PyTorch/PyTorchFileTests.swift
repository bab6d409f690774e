import Formats
import Tensors
import TestSupport
import Testing

@Suite struct PyTorchFileTests {
  // MARK: PyTorch's own files (Tests/Fixtures/pytorch)

  /// Every kind of tensor that a state dict may hold, against numpy's view of it.
  @Test func readsWhatPyTorchWrites() throws {
    let file = try PyTorchFile(Fixtures.path("pytorch/state.pth"))
    let expected = try NPZ.read(Fixtures.path("pytorch/state.npz"))
    #expect(file.names == expected.names)
    #expect(file.ignored == ["epoch", "list", "note", "rate"])
    for (name, tensor) in try file.archiveInMemory().tensors {
      let numpy = try #require(expected.tensors[name])
      #expect(tensor.dims == numpy.dims, "\(name)")
      if tensor.type == .bf16 {
        #expect(tensor.floats() == numpy.floats())
      } else {
        #expect(tensor == numpy, "\(name)")
      }
    }
  }

  @Test func readsAModulesStateDict() throws {
    let file = try PyTorchFile(Fixtures.path("pytorch/module.pth"))
    #expect(
      file.names == ["0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight"])
    #expect(try file.tensor("1.num_batches_tracked") == StoredTensor(dims: [], [0] as [Int64]))
    #expect(try file.tensor("1.running_var").floats() == Tensor([3], [1, 1, 1]))
    #expect(throws: FormatError.pytorch(file.path, .missing("2"))) { try file.tensor("2") }
  }

  @Test func readsFilesFromBeforeTheZip() throws {
    let file = try PyTorchFile(Fixtures.path("pytorch/legacy.pth"))
    #expect(file.names == ["a"])
    #expect(try file.tensor("a").floats() == Tensor([2], [-3, -2.25]))
  }

  // MARK: Pickles made here

  private static let elements = Pickle.floats([1, 2, 3, 4])

  private static func archive(
    _ pickle: [UInt8], storage: [UInt8]? = elements, order: String? = nil
  ) -> [UInt8] {
    storedZip(
      [("m/data.pkl", pickle)] + (order.map { [("m/byteorder", Array($0.utf8))] } ?? [])
        + (storage.map { [("m/data/0", $0)] } ?? []))
  }

  private static func read(_ bytes: [UInt8]) throws -> TensorArchive {
    try PyTorchFile(InputFile(bytes: bytes, name: "m.pth")).archiveInMemory()
  }

  private static func refusal(_ bytes: [UInt8]) -> String? {
    thrownError { _ = try read(bytes) }.map { "\($0)".split(separator: "\n")[0].description }
  }

  /// With every operation that is allowed.
  private static let everything = Pickle.whole(
    Pickle.global("collections", "OrderedDict") + Array(")Rq\u{0}r\u{1}\u{0}\u{0}\u{0}".utf8) + [0x94]
      + Pickle.text("a") + Pickle.tensor() + Array("s(".utf8)
      + Pickle.text("b") + Pickle.tensor(dims: [2], strides: [2], offset: 1) + [0x8c, 1, UInt8(ascii: "c")]
      + [UInt8(ascii: "K"), 7] + Pickle.text("d") + [UInt8(ascii: "M"), 7, 1] + Pickle.text("e") + [
        0x8a, 2, 0xff, 0x7f,
      ]
      + Pickle.text("f") + [UInt8(ascii: "G"), 0x40, 0, 0, 0, 0, 0, 0, 0] + Pickle.text("g")
      + Array("]K\u{1}a(NK\u{2}e".utf8) + Pickle.text("h") + [0x88, 0x89, 0x85, 0x86, UInt8(ascii: ")"), 0x86]
      + Pickle.text("i") + Array("K\u{1}K\u{2}K\u{3}".utf8) + [0x87] + Array("u".utf8)
      + Array("}b".utf8))

  @Test func everyAllowedOperationIsUnderstood() throws {
    let archive = try Self.read(Self.archive(Self.everything, order: "little"))
    #expect(archive.names == ["a", "b"])
    #expect(archive.tensors["a"]?.floats() == Tensor([2, 2], [1, 2, 3, 4]))
    #expect(archive.tensors["b"]?.floats() == Tensor([2], [2, 4]))
  }

  @Test func protocolsUpToFiveAreRead() throws {
    for version in UInt8(2)...5 {
      let frame: [UInt8] = version < 4 ? [] : [0x95, 0, 0, 0, 0, 0, 0, 0, 0]
      let body = frame + Pickle.map([("w", Pickle.tensor())])
      #expect(try Self.read(Self.archive([0x80, version] + body + Array(".".utf8))).names == ["w"])
    }
    // Protocol 4 names by the stack.
    let named =
      Pickle.text("torch._utils") + Pickle.text("_rebuild_parameter") + [0x93] + Pickle.tensor() + [0x85]
      + Array("R".utf8)
    #expect(try Self.read(Self.archive(Pickle.whole(Pickle.map([("p", named)])))).names == ["p"])
  }

  private static let hostile: [(name: String, pickle: [UInt8], text: String)] = [
    (
      "system", Pickle.whole(Pickle.global("os", "system") + Pickle.text("true") + [0x85] + Array("R".utf8)),
      #"error[E-PT-GLOBAL]: m.pth: the pickle refers to "os.system" at byte 2; only tensors and maps are read, nothing is run"#
    ),
    (
      "eval by the stack", Pickle.whole(Pickle.text("builtins") + Pickle.text("eval") + [0x93]),
      #"error[E-PT-GLOBAL]: m.pth: the pickle refers to "builtins.eval" at byte 24; only tensors and maps are read, nothing is run"#
    ),
    (
      "an object", Pickle.whole(Pickle.global("my.module", "Network") + Array(")".utf8) + [0x81]),
      #"error[E-PT-STATE]: m.pth: holds an object of "my.module.Network", which only Python can make, not a map of tensors"#
    ),
    (
      "instance", Pickle.whole(Array("(ios\nsystem\n".utf8)),
      "error[E-PT-OPCODE]: m.pth: pickle operation 0x69 at byte 3; state dicts do not need it"
    ),
    (
      "object", Pickle.whole(Array("(o".utf8)),
      "error[E-PT-OPCODE]: m.pth: pickle operation 0x6f at byte 3; state dicts do not need it"
    ),
    (
      "new object", Pickle.whole([0x81]),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 2: takes more values than there are"
    ),
    (
      "extension", Pickle.whole([0x82, 1]),
      "error[E-PT-OPCODE]: m.pth: pickle operation 0x82 at byte 2; state dicts do not need it"
    ),
    (
      "no protocol", Array("}.".utf8),
      "error[E-PT-OPCODE]: m.pth: pickle operation 0x7d at byte 0; state dicts do not need it"
    ),
    (
      "protocol 9", [0x80, 9, 0x2e],
      "error[E-PT-VALUE]: m.pth: pickle value at byte 1: pickle protocol 9; supported are 2 to 5"
    ),
    (
      "nothing on the stack", Pickle.whole([]),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 2: takes more values than there are"
    ),
    (
      "two values", Pickle.whole(Array("}}".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 4: left over after its end"
    ),
    (
      "no group", Pickle.whole(Array("t".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 2: closes a group that was not opened"
    ),
    (
      "odd items", Pickle.whole(Array("}(Nu".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 5: sets items of something else than a map"
    ),
    (
      "items of a list", Pickle.whole(Array("](NNu".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 6: sets items of something else than a map"
    ),
    (
      "below a group", Pickle.whole(Array("}(NsN".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 5: takes more values than there are"
    ),
    (
      "append to a map", Pickle.whole(Array("}Na".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 4: appends to something else than a list"
    ),
    (
      "no memory", Pickle.whole(Array("h\u{5}".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 2: recalls value 5, which was not remembered"
    ),
    (
      "nothing to remember", Pickle.whole(Array("q\u{5}".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 2: remembers a value that is not there"
    ),
    (
      "state of a list", Pickle.whole(Array("]}b".utf8)),
      "error[E-PT-STACK]: m.pth: pickle operation at byte 4: gives a state to something that has none"
    ),
    (
      "text beyond the end", [0x80, 2, 0x58, 0xff, 0xff, 0xff, 0x7f],
      "error[E-PT-TRUNCATED]: m.pth: the pickle ends inside the operation at byte 7"
    ),
    (
      "a name without end", [0x80, 2] + Array("ctorch".utf8),
      "error[E-PT-TRUNCATED]: m.pth: the pickle ends inside the operation at byte 3"
    ),
    (
      "a long name", Pickle.whole([0x63] + [UInt8](repeating: 0x61, count: 300)),
      "error[E-PT-VALUE]: m.pth: pickle value at byte 2: a name of more than 255 bytes"
    ),
    (
      "a big integer for a size",
      Pickle.whole(
        Pickle.global("torch._utils", "_rebuild_tensor_v2")
          + Pickle.tuple([
            Pickle.storage(), Pickle.number(0), Pickle.tuple([[0x8a, 9] + [UInt8](repeating: 1, count: 9)]),
            Pickle.tuple([Pickle.number(1)]),
          ]) + Array("R".utf8)),
      "error[E-PT-VALUE]: m.pth: pickle value at byte 116: a tensor without storage, offset, shape and strides"
    ),
    (
      "tuples in tuples", Pickle.whole([0x4e] + [UInt8](repeating: 0x85, count: 50_000)),
      "error[E-PT-LIMIT]: m.pth: tuples within tuples, at byte 67, over the limit of 64"
    ),
    (
      "lists in lists", Pickle.whole([UInt8](repeating: 0x5d, count: 20) + [UInt8](repeating: 0x61, count: 19)),
      "error[E-PT-LIMIT]: m.pth: maps or lists within others, over the limit of 16"
    ),
    (
      "no UTF-8", Pickle.whole([0x8c, 1, 0xff]),
      "error[E-PT-VALUE]: m.pth: pickle value at byte 2: a text that is not UTF-8"
    ),
    ("a number", Pickle.whole(Pickle.number(3)), "error[E-PT-STATE]: m.pth: holds no map of tensors"),
    ("an empty map", Pickle.whole(Pickle.map([])), "error[E-PT-STATE]: m.pth: holds no map of tensors"),
    (
      "a map in itself", Pickle.whole(Array("}q\u{0}(".utf8) + Pickle.text("a") + Array("h\u{0}u".utf8)),
      "error[E-PT-LIMIT]: m.pth: maps or lists within others, over the limit of 16"
    ),
    (
      "a name twice", Pickle.whole(Pickle.map([("w", Pickle.tensor()), ("w", Pickle.tensor())])),
      #"error[E-PT-DUPLICATE]: m.pth: tensor "w" stands there twice"#
    ),
    (
      "control characters", Pickle.whole(Pickle.map([("w\u{7}", Pickle.tensor())])),
      #"error[E-PT-NAME]: m.pth: tensor name "w\u{7}" is empty, too long or has control characters"#
    ),
    (
      "another key", Pickle.whole(Pickle.map([("w", Pickle.tensor(storage: Pickle.storage(key: "../0")))])),
      "error[E-PT-VALUE]: m.pth: pickle value at byte 100: a reference to something else than a storage"
    ),
    (
      "a missing storage", Pickle.whole(Pickle.map([("w", Pickle.tensor(storage: Pickle.storage(key: "1")))])),
      #"error[E-PT-STORAGE]: m.pth: tensor "w": storage "1" needs 16 bytes, found none"#
    ),
    (
      "a storage of another size", Pickle.whole(Pickle.map([("w", Pickle.tensor(storage: Pickle.storage(5)))])),
      #"error[E-PT-STORAGE]: m.pth: tensor "w": storage "0" needs 20 bytes, found 16"#
    ),
  ]

  @Test(arguments: hostile.indices)
  func hostilePicklesAreRefused(_ index: Int) {
    let (name, pickle, text) = Self.hostile[index]
    #expect(Self.refusal(Self.archive(pickle)) == text, "\(name)")
  }

  /// Views that reach outside their storage, repeat its elements or overflow.
  @Test(arguments: [
    ([2, 3], [3, 1], 0), ([2, 2], [2, 1], 1), ([2, 2], [-2, 1], 0), ([-1], [1], 0), ([2, 2], [2, 1], -1), ([8], [0], 0),
    ([4], [1, 1], 0), ([0x7fff_ffff, 0x7fff_ffff, 0x7fff_ffff], [1, 1, 1], 0), ([2], [0x7fff_ffff], 0x7fff_ffff),
  ])
  func viewsStayInTheirStorage(_ dims: [Int], _ strides: [Int], _ offset: Int) throws {
    let tensor = Pickle.tensor(dims: dims, strides: strides, offset: offset)
    let text = try #require(Self.refusal(Self.archive(Pickle.whole(Pickle.map([("w", tensor)])))))
    #expect(text.hasPrefix("error[E-PT-TENSOR]: m.pth: tensor at byte "), "\(text)")
    #expect(text.hasSuffix("shape \(dims), strides \(strides), offset \(offset) do not fit a storage of 4 elements"))
  }

  @Test func containersThatAreNoCheckpointsAreRefused() {
    #expect(
      Self.refusal(storedZip([("a.npy", [1])]))
        == "error[E-PT-KIND]: m.pth: not a PyTorch checkpoint: NumPy arrays, not a checkpoint")
    #expect(Self.refusal([1, 2, 3]) == "error[E-PT-KIND]: m.pth: not a PyTorch checkpoint")
    #expect(
      Self.refusal(storedZip([("a/data.pkl", Self.everything), ("b/data.pkl", Self.everything)]))
        == "error[E-PT-KIND]: m.pth: not a PyTorch checkpoint: a ZIP file that is no checkpoint")
    for order in ["big", "BIGEND"] {
      #expect(
        Self.refusal(Self.archive(Self.everything, order: order))
          == "error[E-PT-ORDER]: m.pth: written on a big-endian machine")
    }
  }

  /// Cut anywhere, the pickle and the file are refused by name.
  @Test func truncatedFilesAreRefused() {
    for count in 0..<Self.everything.count {
      let error = thrownError { _ = try Self.read(Self.archive(Array(Self.everything[..<count]))) }
      #expect(error is FormatError, "pickle cut after \(count) bytes")
    }
    let whole = Self.archive(Self.everything)
    for count in 0..<whole.count {
      #expect(thrownError { _ = try Self.read(Array(whole[..<count])) } is FormatError, "file cut after \(count) bytes")
    }
  }

  /// Any byte changed to any value is read or refused by name; nothing traps.
  @Test func damagedPicklesNeverTrap() {
    var accepted = 0
    for position in Self.everything.indices {
      for value in UInt8.min...UInt8.max {
        var damaged = Self.everything
        damaged[position] = value
        switch thrownError({ _ = try Self.read(Self.archive(damaged)) }) {
        case nil: accepted += 1
        case let error: #expect(error is FormatError, "byte \(position) = \(value)")
        }
      }
    }
    // Numbers that mean nothing, letters of names.
    #expect(accepted > Self.everything.count && accepted < 100 * Self.everything.count)
  }
}
