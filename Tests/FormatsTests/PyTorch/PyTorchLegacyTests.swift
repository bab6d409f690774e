import Formats
import Tensors
import TestSupport
import Testing

/// Files that torch.save wrote before version 1.6.
@Suite struct PyTorchLegacyTests {
  private static let elements = Pickle.floats([1, 2, 3, 4])
  private static let none: [UInt8] = [0x4e]

  private static func file(_ items: [(String, [UInt8])], count: Int = 4, bytes: [UInt8] = elements) -> [UInt8] {
    Pickle.legacy(Pickle.whole(Pickle.map(items)), storages: [("0", count, bytes)])
  }

  private static func read(_ bytes: [UInt8]) throws -> TensorArchive {
    try PyTorchFile(InputFile(bytes: bytes, name: "m.ckpt")).archiveInMemory()
  }

  private static func refusal(_ bytes: [UInt8]) -> String? {
    thrownError { _ = try read(bytes) }.map { "\($0)".split(separator: "\n")[0].description }
  }

  @Test func tensorsAndRowsAreRead() throws {
    let storage = Pickle.storage(more: [Self.none])
    let bytes = Self.file([
      ("a", Pickle.tensor(storage: storage)),
      ("b", Pickle.tensor(dims: [2, 2], strides: [1, 2], storage: storage)),
    ])
    let file = try PyTorchFile(InputFile(bytes: bytes, name: "m.ckpt"))
    #expect(try file.tensor("a").floats() == Tensor([2, 2], [1, 2, 3, 4]))
    #expect(try file.tensor("b").floats() == Tensor([2, 2], [1, 3, 2, 4]))
    #expect(try file.read("a", rows: 1..<2).floats() == Tensor([1, 2], [3, 4]))
    #expect(try file.read("b", rows: 1..<2).floats() == Tensor([1, 2], [2, 4]))
    #expect(try file.read("b", rows: 1..<1).dims == [0, 2])
  }

  /// Before 0.4, tensors that shared memory were views of one storage.
  @Test func viewsOfStoragesAreResolved() throws {
    let view = Pickle.tuple([Pickle.text("view"), Pickle.number(1), Pickle.number(2)])
    let archive = try Self.read(
      Self.file([("a", Pickle.tensor(dims: [2], strides: [1], storage: Pickle.storage(more: [view])))]))
    #expect(archive.tensors["a"]?.floats() == Tensor([2], [2, 3]))
    let outside = Pickle.tuple([Pickle.text("view"), Pickle.number(3), Pickle.number(2)])
    let text = Self.refusal(
      Self.file([("a", Pickle.tensor(dims: [2], strides: [1], storage: Pickle.storage(more: [outside])))]))
    #expect(text?.contains("a view that leaves its storage of 4 elements") == true)
  }

  @Test func damagedFilesAreRefusedByName() {
    let tensor = Pickle.tensor()
    #expect(
      Self.refusal(Self.file([("a", tensor)], count: 5, bytes: Self.elements + [0, 0, 0, 0]))
        == #"error[E-PT-STORAGE]: m.ckpt: storage "0" has 5 elements where the pickle says 4"#)
    #expect(
      Self.refusal(Self.file([("a", tensor)], bytes: Array(Self.elements.dropLast())))
        == #"error[E-PT-TRUNCATED]: m.ckpt: storage "0" needs 16 more bytes, 15 follow"#)
    let whole = Self.file([("a", tensor)])
    #expect(
      Self.refusal(whole + [1])
        == "error[E-PT-TRAILING]: m.ckpt: 1 bytes from byte \(whole.count) on belong to no storage")
    #expect(
      Self.refusal(Pickle.legacy(Pickle.whole(Pickle.map([("a", tensor)])), storages: []))
        == #"error[E-PT-STORAGE]: m.ckpt: tensor "a": storage "0" needs 16 bytes, found none"#)
    #expect(
      Self.refusal(Pickle.legacy(Pickle.whole(Pickle.map([("a", tensor)])), storages: [("7", 4, Self.elements)]))
        == #"error[E-PT-STORAGE]: m.ckpt: storage "7" belongs to no tensor, so its size is not known"#)
    #expect(
      Self.refusal(
        Self.file([("a", tensor), ("b", Pickle.tensor(storage: Pickle.storage(type: "IntStorage")))]))
        == #"error[E-PT-STORAGE]: m.ckpt: storage "0" has two types or sizes"#)
    #expect(
      Self.refusal(
        Pickle.legacy(
          Pickle.whole(Pickle.map([("a", tensor)])), storages: [("0", 4, Self.elements)], littleEndian: false))
        == "error[E-PT-ORDER]: m.ckpt: written on a big-endian machine")
  }

  @Test func cutFilesAreRefused() {
    let whole = Self.file([("a", Pickle.tensor())])
    for count in 0..<whole.count {
      #expect(thrownError { _ = try Self.read(Array(whole[..<count])) } is FormatError, "cut after \(count) bytes")
    }
  }

  /// Any byte changed is read or refused by name; nothing traps.
  @Test func damagedBytesNeverTrap() {
    let whole = Self.file([("a", Pickle.tensor(storage: Pickle.storage(more: [Self.none])))])
    for position in whole.indices {
      for value in [0, 1, 0x28, 0x2e, 0x51, 0x7f, 0x80, 0x85, 0x8b, 0xff] as [UInt8] {
        var damaged = whole
        damaged[position] = value
        let error = thrownError { _ = try Self.read(damaged) }
        #expect(error == nil || error is FormatError, "byte \(position) = \(value)")
      }
    }
  }
}
