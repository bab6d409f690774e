import Graphs
import Tensors

/// Takes the arrays of an artefact one by one, checks them, and remembers everything that was wrong.
struct ArrayReader {
  private let file: String
  /// What stands before the names of this component's arrays in the file.
  private let prefix: String
  private var left: [String: StoredTensor]
  private var missing: [String] = []
  private var wrong: [QuantizationError.BadTensor] = []
  private var values: [QuantizationError.BadTensor] = []
  /// Arrays whose element type no parameter has.
  private var unexpected: [String] = []

  /// - Parameter prefix: what all names of `tensors` start with in the file; names here are without it.
  init(_ tensors: [String: StoredTensor], file: String, prefix: String = "") {
    left =
      prefix.isEmpty
      ? tensors
      : Dictionary(uniqueKeysWithValues: tensors.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
    self.file = file
    self.prefix = prefix
  }

  /// Throws missing, unexpected and misshapen arrays of all components together, or else all bad values together.
  static func finish(_ readers: [ArrayReader], file: String) throws(QuantizationError) {
    let (missing, unexpected) = (readers.flatMap(\.missing), readers.flatMap(\.unexpected))
    let wrong = readers.flatMap(\.wrong)
    if !missing.isEmpty || !unexpected.isEmpty || !wrong.isEmpty {
      throw .tensors(file: file, missing: missing, unexpected: unexpected, wrong: wrong)
    }
    let values = readers.flatMap(\.values)
    if !values.isEmpty { throw .values(file: file, values) }
  }

  /// The array under `name` if it is of the announced type and shape.
  private mutating func take(_ name: String, _ type: ElementType, dims: [Int]) -> StoredTensor? {
    guard let found = left.removeValue(forKey: name) else {
      missing.append(prefix + name)
      return nil
    }
    if found.type != type || found.dims != dims {
      misfit(name, "expected \(type.rawValue) \(dims), found \(found.type.rawValue) \(found.dims)")
      return nil
    }
    return found
  }

  private mutating func misfit(_ name: String, _ problem: String) {
    wrong.append(.init(name: prefix + name, problem: problem))
  }

  private mutating func reject(_ name: String, _ problem: String) {
    values.append(.init(name: prefix + name, problem: problem))
  }

  /// Codes of weights, and activation quantisers.
  /// - Parameter rows: how many rows a table of each kind has, and what they are found by.
  mutating func table(
    _ weights: [QuantizedModel.Header.Weight], _ activations: [QuantizedModel.Header.Activation],
    rows: (TableKind) -> (count: Int, key: ActivationQuantizers.Key)
  ) -> QuantizationTable {
    var table = QuantizationTable()
    for entry in weights { table.weights[entry.node] = weight(entry) }
    for kind in TableKind.allCases {
      let members = activations.filter { $0.kind == kind }
      if members.isEmpty { continue }
      let (count, key) = rows(kind)
      for (site, quantizers) in self.activations(kind, members, rowCount: count, key: key) {
        table.activations[site] = quantizers
      }
    }
    return table
  }

  private mutating func scales(_ name: String, dims: [Int]) -> [Float]? {
    guard let scales = take(name, .f32, dims: dims)?.floats()?.values else { return nil }
    if let bad = scales.firstIndex(where: { !($0 > 0 && $0.isFinite && (1 / $0).isFinite) }) {
      reject(name, "scale \(scales[bad]) at index \(bad), scales are positive and finite")
      return nil
    }
    return scales
  }

  private mutating func zeroPoints(_ name: String, dims: [Int], range: ClosedRange<Int>) -> [Int]? {
    guard let found = take(name, .i16, dims: dims)?.integers(Int16.self) else { return nil }
    if let bad = found.firstIndex(where: { !range.contains(Int($0)) }) {
      reject(name, "zero point \(found[bad]) at index \(bad), expected \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return found.map(Int.init)
  }

  /// A layer's weight; nil after recording what is wrong with it.
  mutating func weight(_ entry: QuantizedModel.Header.Weight) -> QuantizedWeight? {
    let rows = entry.dims[0]
    let rowLength = entry.dims.dropFirst().reduce(1, *)
    let name = ArrayName.codes(entry.node)
    let packed = take(name, .u8, dims: [rows, CodePacking.bytesPerRow(rowLength, bits: entry.bits)])
    let scales = scales(ArrayName.scales(entry.node), dims: [entry.granules])
    // Codes less zero points stay within 16 bits.
    let largest = (1 << entry.bits) - 1
    let zeroPoints = zeroPoints(
      ArrayName.zeroPoints(entry.node), dims: [entry.granules], range: (largest - 32767)...32767)
    let inputScales = entry.hasInputScales ? self.scales(ArrayName.inputScales(entry.node), dims: [entry.dims[1]]) : nil
    guard let packed, let scales, let zeroPoints, !entry.hasInputScales || inputScales != nil else { return nil }
    switch CodePacking.unpack(packed.bytes, rows: rows, rowLength: rowLength, bits: entry.bits) {
    case .success(let codes):
      return QuantizedWeight(
        dims: entry.dims,
        quantizer: AffineQuantizer(
          bits: entry.bits, granularity: entry.granularity, scales: scales, zeroPoints: zeroPoints),
        codes: codes, inputScales: inputScales)
    case .failure(let problem):
      reject(name, problem.text)
      return nil
    }
  }

  /// One activation table.
  mutating func activations(
    _ kind: TableKind, _ members: [QuantizedModel.Header.Activation], rowCount: Int, key: ActivationQuantizers.Key
  ) -> [(Site, ActivationQuantizers)] {
    let columns = members.reduce(0) { $0 + $1.columns }
    let scales = scales(ArrayName.scales(kind), dims: [rowCount, columns])
    let zeroPoints = zeroPoints(ArrayName.zeroPoints(kind), dims: [rowCount, columns], range: 0...255)
    guard let scales, let zeroPoints else { return [] }
    var start = 0
    var result: [(Site, ActivationQuantizers)] = []
    for member in members {
      defer { start += member.columns }
      let largest = (1 << member.bits) - 1
      var rows: [AffineQuantizer] = []
      for row in 0..<rowCount {
        let range = (row * columns + start)..<(row * columns + start + member.columns)
        if let bad = range.first(where: { zeroPoints[$0] > largest }) {
          reject(
            ArrayName.zeroPoints(kind),
            "zero point \(zeroPoints[bad]) of \(member.site), which has \(member.bits) bits")
          break
        }
        rows.append(
          AffineQuantizer(
            bits: member.bits, granularity: member.granularity, scales: Array(scales[range]),
            zeroPoints: Array(zeroPoints[range])))
      }
      if rows.count == rowCount {
        result.append(
          (member.site, ActivationQuantizers(key: key, rows: rows, areNumerators: member.areNumerators)))
      }
    }
    return result
  }

  /// A temporal feature that is kept; nil after recording what is wrong with it.
  mutating func feature(
    _ entry: QuantizedModel.Header.Feature, rowCount: Int, key: ActivationQuantizers.Key
  ) -> KeptFeature? {
    if entry.bits > 8 {
      let name = ArrayName.feature(entry.node)
      guard let values = take(name, .f32, dims: [rowCount, entry.width]).flatMap({ floats(name, $0) }) else {
        return nil
      }
      return KeptFeature(key: key, width: entry.width, rows: .floats(values.values))
    }
    let name = ArrayName.featureCodes(entry.node)
    let packed = take(name, .u8, dims: [rowCount, CodePacking.bytesPerRow(entry.width, bits: entry.bits)])
    let scales = scales(ArrayName.featureScales(entry.node), dims: [rowCount])
    let zeroPoints = zeroPoints(
      ArrayName.featureZeroPoints(entry.node), dims: [rowCount], range: 0...((1 << entry.bits) - 1))
    guard let packed, let scales, let zeroPoints else { return nil }
    switch CodePacking.unpack(packed.bytes, rows: rowCount, rowLength: entry.width, bits: entry.bits) {
    case .success(let codes):
      return KeptFeature(
        key: key, width: entry.width,
        rows: .codes(
          codes, zip(scales, zeroPoints).map { AffineQuantizer(bits: entry.bits, scale: $0, zeroPoint: $1) }))
    case .failure(let problem):
      reject(name, problem.text)
      return nil
    }
  }

  /// The correction's three arrays.
  mutating func correction(steps: Int, channels: Int) -> NoiseCorrection? {
    func values(_ name: String, _ dims: [Int], atLeast lowest: Float) -> [Float]? {
      guard let tensor = take(name, .f32, dims: dims).flatMap({ floats(name, $0) }) else { return nil }
      if let bad = tensor.values.firstIndex(where: { $0 < lowest }) {
        reject(name, "\(tensor.values[bad]) at index \(bad), expected at least \(lowest)")
        return nil
      }
      return tensor.values
    }
    let slopes = values(ArrayName.slopes, [steps], atLeast: 0)
    let biases = values(ArrayName.biases, [steps, channels], atLeast: -.greatestFiniteMagnitude)
    let variances = values(ArrayName.variances, [steps], atLeast: 0)
    guard let slopes, let biases, let variances else { return nil }
    return NoiseCorrection(
      rows: (0..<steps).map { step in
        .init(
          slope: slopes[step], bias: Array(biases[(step * channels)..<((step + 1) * channels)]),
          variance: variances[step])
      })
  }

  /// An F32 array of any shape; a stand-in after recording what is wrong with it.
  mutating func floats(_ name: String) -> Tensor {
    guard let found = left.removeValue(forKey: name) else {
      missing.append(prefix + name)
      return Tensor([0])
    }
    return floats(name, found) ?? Tensor([0])
  }

  /// Finite values in the shape that is announced; nil where they are not, which is remembered.
  mutating func floats(_ name: String, dims: [Int]) -> Tensor? {
    take(name, .f32, dims: dims).flatMap { floats(name, $0) }
  }

  private mutating func floats(_ name: String, _ found: StoredTensor) -> Tensor? {
    guard found.type == .f32, let tensor = found.floats() else {
      misfit(name, "expected F32, found \(found.type.rawValue)")
      return nil
    }
    if let bad = tensor.values.firstIndex(where: { !$0.isFinite }) {
      reject(name, "\(tensor.values[bad]) at index \(bad)")
      return nil
    }
    return tensor
  }

  /// Everything not taken yet: the float parameters. Their names and shapes are checked against the network later.
  mutating func remainingFloats() -> [String: Tensor] {
    var parameters: [String: Tensor] = [:]
    for name in left.keys.sorted() {
      guard let found = left.removeValue(forKey: name) else { continue }
      if found.type != .f32 {
        unexpected.append(prefix + name)
      } else {
        parameters[name] = floats(name, found)
      }
    }
    return parameters
  }

  /// As `remainingFloats`, of components whose arrays keep the 16-bit types that they came with.
  mutating func remainingStored() -> [String: StoredTensor] {
    var parameters: [String: StoredTensor] = [:]
    for name in left.keys.sorted() {
      guard let found = left.removeValue(forKey: name) else { continue }
      switch found.type {
      case .f32, .f16, .bf16:
        if let bad = found.floats()?.values.first(where: { !$0.isFinite }) { reject(name, "it holds \(bad)") }
        parameters[name] = found
      case .f64, .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: unexpected.append(prefix + name)
      }
    }
    return parameters
  }
}
