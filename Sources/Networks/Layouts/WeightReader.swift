import Tensors

/// Reads stored arrays as Float and remembers what is not finite in them, each element once however often it is read.
final class WeightReader {
  /// Values that are not finite in one array: the first of them, by position in the array, and how many.
  struct Finding: Equatable {
    var value: Float
    var position: Int
    var count: Int
  }

  private let source: any WeightSource
  private var checked: [String: Set<Range<Int>>] = [:]
  private(set) var findings: [String: Finding] = [:]

  init(_ source: any WeightSource) { self.source = source }

  /// - Precondition: the array exists, as F32, F16 or BF16.
  func read(_ name: String, rows: Range<Int>? = nil) throws -> Tensor {
    guard let tensor = try source.read(name, rows: rows).floats() else {
      preconditionFailure("\(name) does not hold floats")
    }
    let rowLength = tensor.dims.dropFirst().reduce(1, *)
    let start = (rows?.lowerBound ?? 0) * rowLength
    if checked[name, default: []].insert(start..<(start + tensor.count)).inserted {
      note(name, tensor.values, from: start)
    }
    return tensor
  }

  private func note(_ name: String, _ values: [Float], from start: Int) {
    guard let first = values.firstIndex(where: { !$0.isFinite }) else { return }
    let count = values[first...].count { !$0.isFinite }
    var finding = findings[name] ?? Finding(value: values[first], position: start + first, count: 0)
    if start + first < finding.position { (finding.value, finding.position) = (values[first], start + first) }
    finding.count += count
    findings[name] = finding
  }
}
