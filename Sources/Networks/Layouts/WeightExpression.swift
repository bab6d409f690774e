import Tensors

/// How a parameter of a graph is made of the arrays that a checkpoint stores.
package indirect enum WeightExpression: Sendable, Equatable {
  /// The array of that name. Trailing axes of one element do not count, so that a linear layer may be stored as a
  /// convolution of one position: (O, C), (O, C, 1) and (O, C, 1, 1) hold the same values in the same order.
  case stored(String)
  /// Some rows of the first axis, in the order of the selection.
  case rows(RowSelection, of: WeightExpression)
  /// The first two axes exchanged, as in layers that store (inputs, outputs).
  case transposed(WeightExpression)
  /// The elementwise sum.
  case sum(WeightExpression, WeightExpression)
  /// A layer's weight with the batch normalisation behind it folded in: row o times the normalisation's scale of channel o.
  case scaled(WeightExpression, by: FoldedNormalization)
  /// The bias that the same folding leaves.
  case shift(FoldedNormalization)
}

/// Runs of rows, evenly spaced along the first axis of an array.
package struct RowSelection: Sendable, Hashable {
  /// Rows of the whole array.
  package let total: Int
  package let ranges: [Range<Int>]

  /// `count` runs of `length` rows, the first at row `first`, `stride` rows from one start to the next.
  /// - Precondition: the runs lie within `total` rows and do not overlap.
  package init(total: Int, first: Int, length: Int, stride: Int, count: Int) {
    precondition(first >= 0 && length > 0 && count > 0 && (count == 1 || stride >= length))
    precondition(first + (count - 1) * stride + length <= total)
    self.total = total
    ranges = (0..<count).map { (first + $0 * stride)..<(first + $0 * stride + length) }
  }
}

/// A batch normalisation in evaluation (Ioffe & Szegedy 2015, section 3.1): y = (x - mean) g / sqrt(variance + epsilon) + b,
/// whose vectors stand at NAME.weight, .bias, .running_mean and .running_var. Folding works in Double.
package struct FoldedNormalization: Sendable, Hashable {
  package let name: String
  package let epsilon: Double

  package init(name: String, epsilon: Double) {
    self.name = name
    self.epsilon = epsilon
  }

  fileprivate var scaleNames: [String] { ["\(name).weight", "\(name).running_var"] }
  fileprivate var shiftNames: [String] { scaleNames + ["\(name).bias", "\(name).running_mean"] }

  /// g / sqrt(variance + epsilon) for each channel.
  fileprivate func scales(_ reader: WeightReader) throws -> [Double] {
    let vectors = try scaleNames.map { try reader.read($0).values }
    return zip(vectors[0], vectors[1]).map { Double($0) / (Double($1) + epsilon).squareRoot() }
  }
}

/// A stored array that an expression needs, in the shape that it must have.
struct WeightDemand: Sendable, Equatable {
  let name: String
  let dims: [Int]

  /// Whether an array of these dims is the one demanded: equal but for trailing axes of one element.
  func isMet(by stored: [Int]) -> Bool { Self.significant(stored) == Self.significant(dims) }

  private static func significant(_ dims: [Int]) -> ArraySlice<Int> {
    var out = dims[...]
    while out.count > 2, out.last == 1 { out.removeLast() }
    return out
  }
}

extension WeightExpression {
  /// The stored arrays that make a parameter of `dims`.
  func demands(for dims: [Int]) -> [WeightDemand] {
    switch self {
    case .stored(let name): [WeightDemand(name: name, dims: dims)]
    case .rows(let selection, let whole): whole.demands(for: [selection.total] + dims.dropFirst())
    case .transposed(let other): other.demands(for: Self.exchanged(dims))
    case .sum(let a, let b): a.demands(for: dims) + b.demands(for: dims)
    case .scaled(let weight, let norm):
      weight.demands(for: dims) + norm.scaleNames.map { WeightDemand(name: $0, dims: [dims[0]]) }
    case .shift(let norm): norm.shiftNames.map { WeightDemand(name: $0, dims: dims) }
    }
  }

  /// The parameter. - Precondition: every demand for `dims` is met by an array of floats.
  func evaluate(_ dims: [Int], _ reader: WeightReader) throws -> Tensor {
    switch self {
    case .stored(let name): return try reader.read(name).reshaped(dims)
    case .rows(let selection, .stored(let name)):
      var values: [Float] = []
      values.reserveCapacity(dims.reduce(1, *))
      for range in selection.ranges { values += try reader.read(name, rows: range).values }
      return Tensor(dims, values)
    case .rows(let selection, let whole):
      let all = try whole.evaluate([selection.total] + dims.dropFirst(), reader)
      return Tensor.stacked(selection.ranges.map(all.rows)).reshaped(dims)
    case .transposed(let other):
      let stored = try other.evaluate(Self.exchanged(dims), reader)
      let inner = dims.dropFirst(2).reduce(1, *)
      var out = Tensor(dims)
      for a in 0..<dims[0] {
        for b in 0..<dims[1] {
          for i in 0..<inner {
            out.values[(a * dims[1] + b) * inner + i] = stored.values[(b * dims[0] + a) * inner + i]
          }
        }
      }
      return out
    case .sum(let a, let b):
      let (x, y) = (try a.evaluate(dims, reader), try b.evaluate(dims, reader))
      return Tensor(dims, zip(x.values, y.values).map { $0 + $1 })
    case .scaled(let weight, let norm):
      let scales = try norm.scales(reader)
      var out = try weight.evaluate(dims, reader)
      let row = out.count / scales.count
      for (o, scale) in scales.enumerated() {
        for i in (o * row)..<((o + 1) * row) { out.values[i] = Float(Double(out.values[i]) * scale) }
      }
      return out
    case .shift(let norm):
      let scales = try norm.scales(reader)
      let (bias, mean) = (
        try reader.read("\(norm.name).bias").values, try reader.read("\(norm.name).running_mean").values
      )
      return Tensor(dims, scales.indices.map { Float(Double(bias[$0]) - Double(mean[$0]) * scales[$0]) })
    }
  }

  /// - Precondition: at least two axes.
  private static func exchanged(_ dims: [Int]) -> [Int] { [dims[1], dims[0]] + dims.dropFirst(2) }
}
