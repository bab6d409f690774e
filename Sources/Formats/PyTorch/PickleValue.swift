import Tensors

/// What a checkpoint's pickle can build. Everything that holds other values, or that is larger than a few words, stands in an arena of
/// `PickleMachine` and is known by its number: no value refers to another in memory, so nothing that a file nests, however
/// deep, is compared, copied or destroyed recursively.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case tuple(Int)
  case list(Int)
  case map(Int)
  case global(PickleGlobal)
  case storage(Int)
  case tensor(Int)
  /// Something that only Python could make, known by the number of the name it would be made by.
  case foreign(Int)
}

/// The names that a checkpoint refers to. They are recognised, never imported or called.
enum PickleGlobal: Sendable, Equatable {
  case orderedMap
  case rebuildTensor
  case rebuildParameter
  /// A rebuilding function, a class, its arguments and a state.
  case rebuildTyped
  case storageType(ElementType)
  /// Any other, by its number among the names of `PickleMachine`.
  case foreign(Int)

  /// The globals that are understood; nil for others.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedMap
    case ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
      self = .rebuildParameter
    case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildTyped
    case ("torch", let name), ("torch.cuda", let name):
      guard let type = Self.storages[name] else { return nil }
      self = .storageType(type)
    default: return nil
    }
  }

  private static let storages: [String: ElementType] = [
    "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "LongStorage": .i64,
    "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8, "BoolStorage": .bool,
  ]

  /// Whether a name stands for something that acts outside the file. No checkpoint needs one; a file that names one was made
  /// to attack whoever loads it with Python.
  static func acts(module: String, name: String) -> Bool {
    switch module {
    case "os", "posix", "nt", "sys", "subprocess", "pty", "shutil", "socket", "runpy": true
    case "builtins", "__builtin__": ["eval", "exec", "execfile", "compile", "open", "__import__"].contains(name)
    default: false
    }
  }
}

/// Elements that stand in the file under a key, or a part of them.
struct PickleStorage: Sendable, Equatable {
  let type: ElementType
  let key: String
  /// Elements under the key.
  let count: Int
  /// The elements that belong to this storage: all, or those of a view (files before PyTorch 1.6).
  let view: Range<Int>
}

/// A view of a storage: element (i, j, …) stands at offset + i * strides[0] + j * strides[1] + ….
struct PickleTensor: Sendable, Equatable {
  let storage: PickleStorage
  /// From the first element under the storage's key.
  let offset: Int
  let dims: [Int]
  let strides: [Int]

  var count: Int { dims.reduce(1, *) }
  var byteCount: Int { count * storage.type.byteCount }

  /// nil when the view reaches outside its storage, repeats elements (so that a small file cannot become a huge array), or
  /// its numbers overflow.
  init?(storage: PickleStorage, offset: Int, dims: [Int], strides: [Int]) {
    guard dims.count == strides.count, dims.count <= 32, offset >= 0,
      (dims + strides).allSatisfy({ $0 >= 0 }), let bytes = Formats.byteCount(dims, elementSize: storage.type.byteCount)
    else { return nil }
    if bytes > 0 {
      guard let reach = Self.reach(dims, strides), reach < storage.view.count, offset < storage.view.count - reach,
        bytes / storage.type.byteCount <= storage.view.count
      else { return nil }
    }
    (self.storage, self.dims, self.strides) = (storage, dims, strides)
    self.offset = bytes > 0 ? storage.view.lowerBound + offset : 0
  }

  private init(_ storage: PickleStorage, _ offset: Int, _ dims: [Int], _ strides: [Int]) {
    (self.storage, self.offset, self.dims, self.strides) = (storage, offset, dims, strides)
  }

  /// How far the last element stands behind the first; nil when that overflows.
  private static func reach(_ dims: [Int], _ strides: [Int]) -> Int? {
    var sum = 0
    for (dim, stride) in zip(dims, strides) {
      let (reach, overflow) = (dim - 1).multipliedReportingOverflow(by: stride)
      let (next, carry) = sum.addingReportingOverflow(reach)
      if overflow || carry { return nil }
      sum = next
    }
    return sum
  }

  /// The elements under the storage's key from the first of the view to its last.
  var span: Range<Int> {
    guard count > 0, let reach = Self.reach(dims, strides) else { return 0..<0 }
    return offset..<(offset + reach + 1)
  }

  /// Those rows of the first axis. - Precondition: there is a first axis, and they lie within it.
  func rows(_ rows: Range<Int>) -> PickleTensor {
    precondition(dims.first.map { (0...$0).contains(rows.upperBound) } ?? false, "rows outside the array")
    let start = rows.isEmpty || count == 0 ? offset : offset + rows.lowerBound * strides[0]
    return PickleTensor(storage, start, [rows.count] + dims.dropFirst(), strides)
  }

  /// Whether elements follow one another in the storage, the last axis fastest.
  var isContiguous: Bool {
    var expected = 1
    for (dim, stride) in zip(dims, strides).reversed() where dim != 1 {
      if stride != expected { return false }
      expected *= dim
    }
    return true
  }

  /// The elements in row-major order. - Parameter bytes: those of `span`.
  func gathered(_ bytes: [UInt8]) -> [UInt8] {
    if isContiguous { return bytes }
    let size = storage.type.byteCount
    return [UInt8](unsafeUninitializedCapacity: byteCount) { out, initialized in
      var index = [Int](repeating: 0, count: dims.count)
      var element = 0
      for position in 0..<count {
        for byte in 0..<size {
          (out.baseAddress! + position * size + byte).initialize(to: bytes[element * size + byte])
        }
        var axis = index.count - 1
        while axis >= 0 {
          index[axis] += 1
          element += strides[axis]
          if index[axis] < dims[axis] { break }
          element -= strides[axis] * dims[axis]
          index[axis] = 0
          axis -= 1
        }
      }
      initialized = byteCount
    }
  }
}
