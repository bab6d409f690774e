import Tensors

/// What a state dict's pickle can build. Lists and maps are shared and change after they are made, so they stand in an arena and
/// values hold their number: nothing refers to itself in memory, whatever the file says.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case tuple([PickleValue])
  case list(Int)
  case map(Int)
  case global(PickleGlobal)
  case storage(PickleStorage)
  case tensor(PickleTensor)
}

/// The names that a state dict refers to. They are recognised, never imported or called.
enum PickleGlobal: Sendable, Equatable {
  case orderedMap
  case rebuildTensor
  case rebuildParameter
  case storageType(ElementType)

  /// Every global that is understood, as `module name`.
  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedMap
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch", let name):
      guard let type = Self.storages[name] else { return nil }
      self = .storageType(type)
    default: return nil
    }
  }

  private static let storages: [String: ElementType] = [
    "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "LongStorage": .i64,
    "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8, "BoolStorage": .bool,
  ]
}

/// Elements that stand in a file of their own, `data/KEY`.
struct PickleStorage: Sendable, Equatable {
  let type: ElementType
  let key: String
  let count: Int
}

/// A view of a storage: element (i, j, …) stands at offset + i * strides[0] + j * strides[1] + ….
struct PickleTensor: Sendable, Equatable {
  let storage: PickleStorage
  let offset: Int
  let dims: [Int]
  let strides: [Int]

  var count: Int { dims.reduce(1, *) }

  /// nil when the view reaches outside its storage, repeats elements (so that a small file cannot become a huge array), or
  /// its numbers overflow.
  init?(storage: PickleStorage, offset: Int, dims: [Int], strides: [Int]) {
    guard dims.count == strides.count, dims.count <= 32, offset >= 0,
      (dims + strides).allSatisfy({ $0 >= 0 }), let bytes = byteCount(dims, elementSize: storage.type.byteCount)
    else { return nil }
    if bytes > 0 {
      var last = offset
      for (dim, stride) in zip(dims, strides) {
        let (reach, overflow) = (dim - 1).multipliedReportingOverflow(by: stride)
        let (next, carry) = last.addingReportingOverflow(reach)
        if overflow || carry { return nil }
        last = next
      }
      guard last < storage.count, bytes / storage.type.byteCount <= storage.count else { return nil }
    }
    (self.storage, self.offset, self.dims, self.strides) = (storage, offset, dims, strides)
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
}
