import Tensors

/// What names become when a pickle refers to them, calls them or makes something of them.
extension PickleMachine {
  mutating func apply(_ callee: PickleValue, _ arguments: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    guard case .global(let global) = callee else { return try pushForeign(callee, at) }
    switch global {
    case .orderedMap: try pushOrderedMap(arguments, at)
    case .rebuildTensor: try rebuildTensor(arguments, at)
    case .rebuildParameter:
      switch arguments.first {
      case .tensor?, .foreign?: try push(arguments[0], at)
      default: throw .value("a parameter without tensor", at: at)
      }
    case .rebuildTyped:
      guard arguments.count == 4, case .tuple(let inner) = arguments[2] else {
        throw .value("a tensor of a class without function, class and arguments", at: at)
      }
      // The function is one of those above or foreign; a second one of this kind would only nest.
      if arguments[0] == .global(.rebuildTyped) { throw .value("a tensor of a class of a class", at: at) }
      try apply(arguments[0], tuples[inner].values, at)
    case .storageType, .foreign: try pushForeign(callee, at)
    }
  }

  /// Python 2 wrote an ordered map with a list of its items; everyone else fills an empty one.
  private mutating func pushOrderedMap(_ arguments: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    var pairs: [PickleValue] = []
    if let argument = arguments.first {
      guard arguments.count == 1, case .list(let items) = argument else {
        throw .value("an ordered map made of something else than a list", at: at)
      }
      for item in lists[items] {
        guard let pair = elements(item), pair.count == 2 else {
          throw .value("an ordered map with an item that is no pair", at: at)
        }
        try countItem(at)
        pairs += pair
      }
    }
    try pushMap(at)
    try setItems(pairs, at)
  }

  private func elements(_ value: PickleValue) -> [PickleValue]? {
    switch value {
    case .tuple(let number): tuples[number].values
    case .list(let number): lists[number]
    default: nil
    }
  }

  private mutating func rebuildTensor(_ arguments: [PickleValue], _ at: Int) throws(PyTorchProblem) {
    // A storage of a kind that is not read makes a tensor that is not read.
    if case .foreign? = arguments.first { return try push(arguments[0], at) }
    guard arguments.count >= 4, case .storage(let number) = arguments[0], case .integer(let offset) = arguments[1],
      let dims = integers(arguments[2]), let strides = integers(arguments[3])
    else { throw .value("a tensor without storage, offset, shape and strides", at: at) }
    let storage = storages[number]
    guard let tensor = PickleTensor(storage: storage, offset: offset, dims: dims, strides: strides) else {
      throw .tensor(
        "shape \(shown(dims)), strides \(shown(strides)), offset \(offset) do not fit a storage of "
          + "\(storage.view.count) elements", at: at)
    }
    tensors.append(tensor)
    try push(.tensor(tensors.count - 1), at)
  }

  private func integers(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let number) = value, tuples[number].values.count <= 32 else { return nil }
    var out: [Int] = []
    for value in tuples[number].values {
      guard case .integer(let number) = value else { return nil }
      out.append(number)
    }
    return out
  }

  /// ('storage', type, key, location, count), in files before PyTorch 1.6 with a view (key, offset, count) or nothing behind it;
  /// ('module', class, …) for the class of a whole pickled module.
  mutating func pushPersistent(_ identity: PickleValue, _ at: Int) throws(PyTorchProblem) {
    guard case .tuple(let number) = identity, let parts = Optional(tuples[number].values), parts.count >= 2 else {
      throw .value("a reference to something else than a storage", at: at)
    }
    if parts[0] == .string("module") { return try push(parts[1], at) }
    guard parts[0] == .string("storage"), parts.count == 5 || parts.count == 6, case .global(let global) = parts[1],
      case .string(let key) = parts[2], case .integer(let count) = parts[4], count >= 0,
      (1...40).contains(key.utf8.count), key.utf8.allSatisfy({ $0 != UInt8(ascii: "/") && $0 > 32 && $0 < 127 })
    else { throw .value("a reference to something else than a storage", at: at) }
    guard case .storageType(let type) = global else { return try pushForeign(parts[1], at) }
    guard byteCount([count], elementSize: type.byteCount) != nil else {
      throw .value("a storage of \(count) elements", at: at)
    }
    var view = 0..<count
    if parts.count == 6, parts[5] != .none {
      guard let fields = elements(parts[5]), fields.count == 3, case .integer(let start) = fields[1],
        case .integer(let length) = fields[2], (0...count).contains(start), (0...(count - start)).contains(length)
      else { throw .value("a view that leaves its storage of \(count) elements", at: at) }
      view = start..<(start + length)
    }
    storages.append(PickleStorage(type: type, key: key, count: count, view: view))
    try push(.storage(storages.count - 1), at)
  }

  mutating func pushGlobal(_ module: String, _ name: String, _ at: Int) throws(PyTorchProblem) {
    if PickleGlobal.acts(module: module, name: name) { throw .global("\(module).\(name)", at: at) }
    try push(.global(PickleGlobal(module: module, name: name) ?? .foreign(number(of: "\(module).\(name)"))), at)
  }

  mutating func number(of name: String) -> Int {
    if let number = nameNumbers[name] { return number }
    names.append(name)
    nameNumbers[name] = names.count - 1
    return names.count - 1
  }

  /// What only Python could make of `callee`.
  mutating func pushForeign(_ callee: PickleValue, _ at: Int) throws(PyTorchProblem) {
    switch callee {
    case .global(.foreign(let name)), .foreign(let name): try push(.foreign(name), at)
    case .global(let known): try push(.foreign(number(of: "\(known)")), at)
    default: throw .stack("expected a name", at: at)
    }
  }
}
