import Tensors

/// The tensors of a pickle, by the path of maps and lists that leads to each.
struct PickleContents {
  /// Levels of maps and lists within others.
  static let depthLimit = 16
  static let entryLimit = 1_000_000

  /// By full name: the path and the tensor's key, joined with points.
  private(set) var tensors: [String: PickleTensor] = [:]
  private(set) var tables: [WeightTable] = []
  /// Full names of what stands beside the tensors, sorted.
  private(set) var ignored: [String] = []

  private let machine: PickleMachine
  private var visited = 0

  init(_ machine: PickleMachine) throws(PyTorchProblem) {
    self.machine = machine
    switch machine.result {
    case .map, .list, .tuple: try collect(machine.result, path: [])
    case .foreign(let name): throw .object(machine.names[name])
    default: throw .noStateDict
    }
    if tensors.isEmpty { throw .noStateDict }
    ignored.sort()
  }

  private mutating func collect(_ value: PickleValue, path: [String]) throws(PyTorchProblem) {
    if path.count == Self.depthLimit { throw .limit("maps or lists within others", limit: Self.depthLimit) }
    var own: [String] = []
    for (key, value) in try items(value, path) {
      visited += 1
      if visited > Self.entryLimit { throw .limit("too many entries", limit: Self.entryLimit) }
      switch value {
      case .tensor(let number):
        try Self.check(key)
        let name = (path + [key]).joined(separator: ".")
        if tensors.updateValue(machine.tensors[number], forKey: name) != nil { throw .duplicate(name) }
        own.append(key)
      case .map: try collect(value, path: path + [key])
      case .list(let number) where holdsMore(machine.lists[number]): try collect(value, path: path + [key])
      case .tuple(let number) where holdsMore(machine.tuples[number].values): try collect(value, path: path + [key])
      case .none, .bool, .integer, .number, .string, .tuple, .list, .global, .storage, .foreign:
        ignored.append((path + [key]).joined(separator: "."))
      }
    }
    if !own.isEmpty { tables.append(WeightTable(path: path, names: own)) }
  }

  /// Keys and values of a map, positions and elements of a list.
  private mutating func items(_ value: PickleValue, _ path: [String]) throws(PyTorchProblem)
    -> [(key: String, value: PickleValue)]
  {
    switch value {
    case .map(let number):
      var items: [(key: String, value: PickleValue)] = []
      for (key, value) in machine.maps[number] {
        switch key {
        case .string(let text): items.append((text, value))
        case .integer(let number): items.append(("\(number)", value))
        case .global(.foreign(let name)): items.append((machine.names[name], value))
        default: ignored.append((path + ["…"]).joined(separator: "."))
        }
      }
      return items
    case .list(let number): return machine.lists[number].enumerated().map { ("\($0)", $1) }
    case .tuple(let number): return machine.tuples[number].values.enumerated().map { ("\($0)", $1) }
    default: return []
    }
  }

  /// Whether a list may lead to tensors; one of plain values is no more than a value.
  private func holdsMore(_ values: [PickleValue]) -> Bool {
    values.contains {
      switch $0 {
      case .tensor, .map, .list, .tuple: true
      case .none, .bool, .integer, .number, .string, .global, .storage, .foreign: false
      }
    }
  }

  private static func check(_ name: String) throws(PyTorchProblem) {
    guard (1...1024).contains(name.utf8.count),
      name.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
    else { throw .name(name) }
  }
}
