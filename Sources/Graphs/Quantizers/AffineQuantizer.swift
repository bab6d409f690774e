import Tensors

/// What shares one scale and zero point.
package enum Granularity: Sendable, Hashable {
  case perTensor
  /// One pair per index of the channel axis (the output channel of a weight).
  case perChannel
  /// One pair per stretch of channels: [0, b0), [b0, b1), …, [bn, C). For the two halves of a concatenated skip input
  /// (Q-Diffusion, section 3.3).
  case split(boundaries: [Int])
  /// Weights: one pair per output channel and stretch of its row; boundaries are positions in a row. The weight's side
  /// of a split input.
  case rowSplit(boundaries: [Int])
}

extension Granularity {
  /// Where one granule ends and the next begins: channels of an activation, positions in a weight's row. Empty where
  /// granules are whole.
  package var boundaries: [Int] {
    switch self {
    case .perTensor, .perChannel: []
    case .split(let boundaries), .rowSplit(let boundaries): boundaries
    }
  }
}

/// Simulated quantisation at one site: the value of the tensor that integer execution would compute with.
package protocol FakeQuantizer: Sendable {
  /// - Parameters: values: row-major; channelStride, channelCount: element i belongs to channel (i / channelStride) % channelCount.
  func simulate(_ values: inout [Float], channelStride: Int, channelCount: Int)
}

/// Uniform affine quantisation: q = clamp(rint(x * (1/s)) + z, 0, 2^b - 1), x^ = s (q - z); rint rounds half to even.
///
/// 1/s is the Float reciprocal: dividing instead would move ties, and simulation and integer execution share this rule.
package struct AffineQuantizer: FakeQuantizer, Hashable {
  package let bits: Int
  package let granularity: Granularity
  /// One scale and zero point per granule; scales are positive and finite.
  package let scales: [Float]
  package let zeroPoints: [Int]

  package init(bits: Int, granularity: Granularity, scales: [Float], zeroPoints: [Int]) {
    precondition((2...8).contains(bits) && scales.count == zeroPoints.count && !scales.isEmpty)
    precondition(scales.allSatisfy { $0 > 0 && $0.isFinite })
    self.bits = bits
    self.granularity = granularity
    self.scales = scales
    self.zeroPoints = zeroPoints
  }

  /// One granule for the whole tensor.
  package init(bits: Int, scale: Float, zeroPoint: Int) {
    self.init(bits: bits, granularity: .perTensor, scales: [scale], zeroPoints: [zeroPoint])
  }

  package var largestCode: Int { (1 << bits) - 1 }

  package func granule(ofChannel channel: Int) -> Int {
    switch granularity {
    case .perTensor: 0
    case .perChannel: channel
    case .split(let boundaries): boundaries.firstIndex { channel < $0 } ?? boundaries.count
    case .rowSplit: granule(ofRow: channel, position: 0)
    }
  }

  /// The granule of one element of a weight. - Parameters: row: output channel; position: in the row.
  @inline(__always) package func granule(ofRow row: Int, position: Int) -> Int {
    guard case .rowSplit(let boundaries) = granularity else { return granule(ofChannel: row) }
    return row * (boundaries.count + 1) + (boundaries.firstIndex { position < $0 } ?? boundaries.count)
  }

  package var boundaries: [Int] { granularity.boundaries }

  /// The code of one value. The clamp happens in Float so that no finite or infinite x overflows; NaN gives the zero point.
  @inline(__always) package static func code(_ x: Float, inverseScale: Float, zeroPoint: Int, largest: Int) -> Int {
    let shifted = roundHalfToEven(x * inverseScale) + Float(zeroPoint)
    return shifted.isNaN ? min(max(zeroPoint, 0), largest) : Int(min(max(shifted, 0), Float(largest)))
  }

  /// Why the quantiser cannot serve a tensor of so many channels, or nil.
  /// - Parameter rowLength: of a weight, the elements of an output channel.
  func problem(channels: Int, rowLength: Int? = nil) -> String? {
    let granules: Int
    func ascend(_ boundaries: [Int], below end: Int) -> Bool {
      boundaries == boundaries.sorted() && boundaries.allSatisfy { (1..<max(end, 1)).contains($0) }
    }
    switch granularity {
    case .perTensor: granules = 1
    case .perChannel: granules = channels
    case .split(let boundaries):
      guard rowLength == nil, ascend(boundaries, below: channels) else {
        return "split at \(boundaries) of \(channels) channels"
      }
      granules = boundaries.count + 1
    case .rowSplit(let boundaries):
      guard let rowLength, ascend(boundaries, below: rowLength) else {
        return "rows split at \(boundaries) of \(rowLength ?? 0)"
      }
      granules = channels * (boundaries.count + 1)
    }
    return granules == scales.count ? nil : "\(scales.count) scales for \(granules) granules"
  }

  package func codes(_ values: [Float], channelStride: Int, channelCount: Int) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: values.count)
    forEachGranule(values.count, channelStride, channelCount) { range, granule in
      let (inverse, zero) = (1 / scales[granule], zeroPoints[granule])
      for i in range {
        out[i] = UInt8(Self.code(values[i], inverseScale: inverse, zeroPoint: zero, largest: largestCode))
      }
    }
    return out
  }

  package func dequantized(_ codes: [UInt8], channelStride: Int, channelCount: Int) -> [Float] {
    var out = [Float](repeating: 0, count: codes.count)
    forEachGranule(codes.count, channelStride, channelCount) { range, granule in
      let (scale, zero) = (scales[granule], zeroPoints[granule])
      for i in range { out[i] = scale * Float(Int(codes[i]) - zero) }
    }
    return out
  }

  package func simulate(_ values: inout [Float], channelStride: Int, channelCount: Int) {
    forEachGranule(values.count, channelStride, channelCount) { range, granule in
      let (scale, inverse, zero) = (scales[granule], 1 / scales[granule], zeroPoints[granule])
      for i in range {
        let q = Self.code(values[i], inverseScale: inverse, zeroPoint: zero, largest: largestCode)
        values[i] = scale * Float(q - zero)
      }
    }
  }

  private func forEachGranule(
    _ count: Int, _ channelStride: Int, _ channelCount: Int, _ body: (Range<Int>, Int) -> Void
  ) {
    if case .perTensor = granularity { return body(0..<count, 0) }
    if case .rowSplit(let boundaries) = granularity {
      for (row, start) in stride(from: 0, to: count, by: channelStride).enumerated() {
        var from = 0
        for (stretch, end) in (boundaries + [channelStride]).enumerated() {
          body((start + from)..<(start + end), row * (boundaries.count + 1) + stretch)
          from = end
        }
      }
      return
    }
    for (position, start) in stride(from: 0, to: count, by: channelStride).enumerated() {
      body(start..<min(start + channelStride, count), granule(ofChannel: position % channelCount))
    }
  }
}
