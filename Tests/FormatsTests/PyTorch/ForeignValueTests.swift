import Formats
import Tensors
import TestSupport
import Testing

/// Objects of other programs in a checkpoint: they become values that hold nothing, and the tensors beside them are read.
@Suite struct ForeignValueTests {
  private static func read(_ body: [UInt8]) throws -> PyTorchFile {
    let storages = [("0", Pickle.floats([1, 2, 3, 4]))]
    return try PyTorchFile(InputFile(bytes: Pickle.zipped(Pickle.whole(body), storages: storages), name: "m.ckpt"))
  }

  /// What Lightning, OmegaConf and numpy leave.
  private static let foreign: [(String, [UInt8])] = [
    (
      "callbacks",
      Pickle.dictionary([
        (
          key: Pickle.global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),
          value: Pickle.map([
            ("monitor", Pickle.text("val")),
            (
              "current",
              Pickle.call(
                "numpy.core.multiarray", "scalar",
                [
                  Pickle.call("numpy", "dtype", [Pickle.text("f8"), [0x89], [0x88]]) + Pickle.tuple([Pickle.number(3)])
                    + Array("b".utf8),
                  Pickle.call("_codecs", "encode", [Pickle.text("abc"), Pickle.text("latin1")]),
                ])
            ),
          ])
        )
      ])
    ),
    (
      "hyper_parameters",
      Pickle.object(
        "omegaconf.dictconfig", "DictConfig",
        state: Pickle.map([
          ("_content", Pickle.call("collections", "defaultdict", [Pickle.global("__builtin__", "list")]))
        ]))
    ),
    ("size", Pickle.call("torch", "Size", [Pickle.tuple([Pickle.number(1)])])),
    ("set", [0x8f, 0x28] + Pickle.number(1) + [0x90]),
    ("frozen", [0x28] + Pickle.number(1) + [0x91]),
    ("bytes", [0x43, 2, 0xff, 0xfe]),
    ("big", [0x8a, 9] + [UInt8](repeating: 1, count: 9)),
    ("python2", [0x55, 1, 0x61]),
    ("keywords", Pickle.global("a", "B") + Array(")}".utf8) + [0x92]),
    // Items put into an object are let go.
    ("counter", Pickle.call("collections", "Counter", []) + Pickle.text("k") + Pickle.number(1) + Array("s".utf8)),
    ("complex", Pickle.tensor(storage: Pickle.storage(type: "ComplexFloatStorage", more: []))),
  ]

  @Test func foreignValuesAreLetGo() throws {
    let file = try Self.read(Pickle.map([("w", Pickle.tensor())] + Self.foreign))
    #expect(file.names == ["w"])
    #expect(try file.tensor("w").floats() == Tensor([2, 2], [1, 2, 3, 4]))
    #expect(
      file.ignored == [
        "big", "bytes", "callbacks.pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint.current",
        "callbacks.pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint.monitor", "complex", "counter",
        "frozen",
        "hyper_parameters", "keywords", "python2", "set", "size",
      ])
  }

  @Test func tablesFollowMapsAndLists() throws {
    let file = try Self.read(
      Pickle.list([
        Pickle.map([("b", Pickle.tensor()), ("a", Pickle.tensor())]), Pickle.number(1),
        Pickle.dictionary([(key: Pickle.number(7), value: Pickle.map([("x", Pickle.tensor())]))]), Pickle.tensor(),
      ]))
    #expect(
      file.tables == [
        WeightTable(path: ["0"], names: ["b", "a"]), WeightTable(path: ["2", "7"], names: ["x"]),
        WeightTable(path: [], names: ["3"]),
      ])
    #expect(file.names == ["0.a", "0.b", "2.7.x", "3"])
    #expect(file.ignored == ["1"])
  }

  /// Python 2 gave an ordered map its items at once; newer torch wraps tensors of a class.
  @Test func otherWaysOfWritingTheSame() throws {
    let pairs = Pickle.list([Pickle.list([Pickle.text("w"), Pickle.tensor()])])
    #expect(try Self.read(Pickle.call("collections", "OrderedDict", [pairs])).names == ["w"])
    let arguments = Pickle.tuple([
      Pickle.storage(), Pickle.number(0), Pickle.tuple([Pickle.number(4)]), Pickle.tuple([Pickle.number(1)]),
    ])
    let typed = Pickle.call(
      "torch._tensor", "_rebuild_from_type_v2",
      [
        Pickle.global("torch._utils", "_rebuild_tensor_v2"), Pickle.global("my", "Tensor"), arguments,
        Pickle.map([]),
      ])
    #expect(try Self.read(Pickle.map([("w", typed)])).tensor("w").dims == [4])
  }

  @Test(arguments: ["os", "posix", "subprocess", "sys"])
  func namesThatActAreRefused(_ module: String) throws {
    let error = thrownError {
      _ = try Self.read(
        Pickle.map([("w", Pickle.tensor()), ("x", Pickle.call(module, "system", [Pickle.text("true")]))]))
    }
    let text = try #require(error.map { "\($0)" })
    #expect(text.hasPrefix(#"error[E-PT-GLOBAL]: m.ckpt: the pickle refers to "\#(module).system" at byte "#))
    #expect(text.hasSuffix("hint: no checkpoint needs this; the file was made to do harm when Python loads it"))
  }
}
