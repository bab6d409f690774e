import Graphs
import Tensors

/// Activations on the grids of their quantisers.
extension ONNXTranslation {
  /// Which axis of a value has channels, and how many axes and channels there are: what a quantiser's numbers spread over.
  struct Axes {
    /// With the batch.
    var count: Int
    var channel: Int
    var channels: Int

    init(_ shape: Shape) {
      count = shape.dims.count + 1
      channel = shape.channelAxis
      channels = shape.channels
    }

    /// Of a matrix for each image and head.
    static func heads(channels: Int) -> Axes { Axes(count: 4, channel: 3, channels: channels) }

    private init(count: Int, channel: Int, channels: Int) {
      self.count = count
      self.channel = channel
      self.channels = channels
    }
  }

  /// The values that quantised execution multiplies in place of `value`, or `value` where nothing quantises it.
  /// - Parameters: site: of the graph; signed: whether codes are numbers around zero, as of what stands at a product's right side.
  mutating func coded(_ value: String, at site: Site, _ axes: Axes, signed: Bool = false) -> String {
    guard isQuantized, let quantizers = table.activations[site] else { return value }
    return coded(value, quantizers, axes, signed: signed, as: site.description)
  }

  mutating func coded(
    _ value: String, _ quantizers: ActivationQuantizers, _ axes: Axes, signed: Bool = false, as name: String
  ) -> String {
    if let known = coded[value]?.first(where: { $0.quantizers == quantizers && $0.isSigned == signed }) {
      return known.result
    }
    let rows = selected(quantizers.key, count: quantizers.rows.count).map { quantizers.rows[$0] }
    let first = rows[0]
    let offset = signed ? 1 << (first.bits - 1) : 0
    let bytes = signed ? -128..<128 : 0..<256
    let isPlain =
      first.granularity == .perTensor && !quantizers.key.isPerImage
      && rows.allSatisfy { $0.zeroPoints.allSatisfy { bytes.contains($0 - offset) } }
    if !rows.allSatisfy({ $0.granularity == first.granularity && $0.bits == first.bits }) {
      problems.append("\(name): the quantisers of sampling steps differ in width or in what shares a scale")
    }
    let result =
      isPlain
      ? byOperators(value, quantizers.key, rows, offset: offset, signed: signed, as: name)
      : byArithmetic(value, quantizers.key, rows, axes, as: name)
    coded[value, default: []].append(Coded(quantizers: quantizers, isSigned: signed, result: result))
    return result
  }

  /// QuantizeLinear and DequantizeLinear with one scale for the whole value. Fewer than eight bits stand in bytes: the value is
  /// clipped to their grid first.
  private mutating func byOperators(
    _ value: String, _ key: ActivationQuantizers.Key, _ rows: [AffineQuantizer], offset: Int, signed: Bool,
    as name: String
  ) -> String {
    func numbers(_ what: String, _ values: [Float]) -> (Bool) -> ONNXInitializer {
      { .floats("\(name).\(what)", $0 ? [values.count] : []) { values } }
    }
    let scale = tableRow(
      key, rowCount: rows.count, as: name + ".step_scale", numbers("scale", rows.map { $0.scales[0] }))
    let codes = rows.map { UInt8(truncatingIfNeeded: $0.zeroPoints[0] - offset) }
    let zero = tableRow(key, rowCount: rows.count, as: name + ".step_zero_point") { isTable in
      .bytes(name + ".zero_point", isTable ? [codes.count] : [], signed: signed) { codes }
    }
    var clipped = value
    if rows[0].bits < 8 {
      let ends = [("low", 0), ("high", rows[0].largestCode)].map { what, code in
        tableRow(
          key, rowCount: rows.count, as: "\(name).step_\(what)",
          numbers(what, rows.map { $0.scales[0] * Float(code - $0.zeroPoints[0]) }))
      }
      clipped = onnx.emit("Clip", [value] + ends, as: name + ".clipped")
    }
    let quantized = onnx.emit("QuantizeLinear", [clipped, scale, zero], as: name + ".codes")
    return onnx.emit("DequantizeLinear", [quantized, scale, zero], as: name)
  }

  /// The same grid in elementwise operations, where scales differ between channels or images:
  /// s (clamp(round(x (1 / s)) + z) - z), rounding half to even.
  private mutating func byArithmetic(
    _ value: String, _ key: ActivationQuantizers.Key, _ rows: [AffineQuantizer], _ axes: Axes, as name: String
  ) -> String {
    let isWhole = rows[0].granularity == .perTensor
    var rowDims = [Int](repeating: 1, count: axes.count - 1)
    if !isWhole { rowDims[axes.channel - 1] = axes.channels }
    let channels = isWhole ? 1 : axes.channels
    let granules = rows.map { row in (0..<channels).map { row.granule(ofChannel: $0) } }
    func array(_ what: String, _ value: @escaping @Sendable (AffineQuantizer, Int) -> Float) -> String {
      tableRow(key, rowCount: rows.count, as: "\(name).row_\(what)") { isTable in
        .floats("\(name).\(what)", (isTable ? [rows.count] : []) + rowDims) {
          zip(rows, granules).flatMap { row, granules in granules.map { value(row, $0) } }
        }
      }
    }
    let scale = array("scale") { $0.scales[$1] }
    let inverse = array("inverse") { 1 / $0.scales[$1] }
    let zero = array("zero_point") { Float($0.zeroPoints[$1]) }
    let scaled = onnx.emit("Mul", [value, inverse], as: name + ".scaled")
    let rounded = onnx.emit("Round", [scaled], as: name + ".rounded")
    let shifted = onnx.emit("Add", [rounded, zero], as: name + ".shifted")
    let largest = onnx.number(Float(rows[0].largestCode))
    let codes = onnx.emit("Clip", [shifted, onnx.number(0), largest], as: name + ".codes")
    let centered = onnx.emit("Sub", [codes, zero], as: name + ".centered")
    return onnx.emit("Mul", [centered, scale], as: name)
  }
}

extension ActivationQuantizers.Key {
  /// Whether images of one call may read different rows.
  fileprivate var isPerImage: Bool {
    switch self {
    case .shared, .step: false
    case .stepAndLabel, .branch, .stepAndBranch: true
    }
  }
}
