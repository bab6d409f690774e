import CKernels
import Graphs
import Tensors

extension ProgramRunner {
  /// Attention in three stages, between which the workers meet: operands become codes, each head's keys and values are packed
  /// like weights, and every worker takes its share of all heads' queries from scores to mixtures by itself. How rows are
  /// shared out changes no bit, since every row of probabilities is whole.
  func run(_ step: AttentionStep) {
    let operands = operands(of: step)
    let lanes = step.lanes(workers: workers, isObserved: observer != nil)
    // A worker among others has no pool, and nothing is timed by parts that run at once.
    let single = alone(isTimed: lanes.count == 1)
    timed(lanes.count == 1 ? nil : "attention products") {
      parallel(lanes.count) { lane in
        single.pack(step.scores, operands.keys, of: step, isKeys: true, lane: lane, of: lanes.count)
        single.pack(step.mixing, operands.values, of: step, isKeys: false, lane: lane, of: lanes.count)
      }
      let zeros = [Float](
        repeating: 0, count: max(step.scores.blocks, step.mixing.blocks) * PackedWeights.blockWidth)
      zeros.withUnsafeBufferPointer { zeros in
        parallel(lanes.count) { lane in
          let firstRow = lane * lanes.rows
          for block in step.blocks(lane: lane, of: lanes) {
            single.mix(
              step, operands, head: block.head, queries: block.queries, row: firstRow, zeros: zeros.baseAddress!)
          }
        }
      }
    }
  }

  /// Where attention reads queries, keys and values.
  struct AttentionOperands {
    let queries: UnsafeMutableRawPointer
    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
  }

  private func operands(of step: AttentionStep) -> AttentionOperands {
    AttentionOperands(
      queries: timed(step.scores.work) {
        operand(
          step.queries, step.shapes[0], site: step.scores.leftSite, step.scores.leftQuantizers,
          codes: step.scores.codes?.left, scratch: step.scores.leftScratch)
      },
      keys: timed(step.scores.work) {
        operand(
          step.keys, step.shapes[1], site: step.scores.rightSite, step.scores.rightQuantizers,
          codes: step.scores.codes?.right, scratch: step.scores.rightScratch)
      },
      values: timed(step.mixing.work) {
        operand(
          step.values, step.shapes[2], site: step.mixing.rightSite, step.mixing.rightQuantizers,
          codes: step.mixing.codes?.right, scratch: step.mixing.rightScratch)
      })
  }

  /// Scores, softmax and mixture of some queries of one head, whose probabilities are held from `row` on.
  private func mix(
    _ step: AttentionStep, _ operands: AttentionOperands, head: Int, queries: Range<Int>, row: Int,
    zeros: UnsafePointer<Float>
  ) {
    let (keys, channels) = (step.keyCount, step.shapes[2].channels)
    let probabilities = floats(step.probabilities) + row * keys
    timed(step.scores.work) {
      multiply(
        step.scores, operands.queries,
        from: queries.lowerBound * step.shapes[0].channels + head * step.scores.inputs,
        stride: step.shapes[0].channels, rows: queries.count, head: head, zeros: zeros, into: probabilities,
        stride: keys)
    }
    timed("softmax") {
      var arguments = ht_softmax(
        values: probabilities, rows: Int64(queries.count), row_stride: Int64(keys), columns: Int32(keys),
        numerators: step.quantizesNumerators ? 1 : 0)
      kernels.softmaxRows(&arguments)
    }
    timed(step.mixing.work) {
      let output = floats(step.output) + queries.lowerBound * channels + head * step.mixing.outputs
      let left = probabilityOperand(of: step, probabilities, rows: queries.count, row: row)
      multiply(
        step.mixing, left, from: 0,
        stride: step.mixing.codes == nil ? keys : PackedWeights.paddedInputChannels(keys), rows: queries.count,
        head: head, zeros: zeros, into: output, stride: channels)
      if step.quantizesNumerators { normalize(output, by: left, of: step, rows: queries.count) }
    }
  }

  /// Divides a block's mixtures by the sums of the quantised numerators that they were mixed by.
  private func normalize(
    _ output: UnsafeMutablePointer<Float>, by numerators: UnsafeMutableRawPointer, of step: AttentionStep, rows: Int
  ) {
    let product = step.mixing
    let (keys, stride) = (step.keyCount, step.shapes[2].channels)
    for row in 0..<rows {
      var sum = 0.0
      if product.codes != nil {
        let line = numerators.assumingMemoryBound(to: UInt8.self) + row * PackedWeights.paddedInputChannels(keys)
        var whole: UInt32 = 0
        for key in 0..<keys { whole &+= UInt32(line[key]) }
        sum = Double(whole) * Double(quantizer(product.leftQuantizers, at: product.leftSite).scales[0])
      } else {
        let line = numerators.assumingMemoryBound(to: Float.self) + row * keys
        for key in 0..<keys { sum += Double(line[key]) }
      }
      guard sum > 0 else { continue }
      kernels.affine(output + row * stride, Float(1 / sum), 0, output + row * stride, product.outputs)
    }
  }

  /// A block of one head's probabilities as the values are mixed by them.
  private func probabilityOperand(
    of step: AttentionStep, _ values: UnsafeMutablePointer<Float>, rows: Int, row: Int
  ) -> UnsafeMutableRawPointer {
    let product = step.mixing
    let keys = step.keyCount
    observer?(
      ObservedValue(
        site: product.leftSite, shape: .scores(heads: 1, queries: rows, keys: keys), base: UnsafePointer(values),
        isChannelsLast: false, width: 1, pixelStride: keys, rowStride: keys))
    if let codes = product.codes {
      let stride = PackedWeights.paddedInputChannels(keys)
      let target = bytes(codes.left) + row * stride
      writeCodes(
        of: values, quantizer(product.leftQuantizers, at: product.leftSite), pixels: rows, channels: keys,
        pixelStride: stride, to: target)
      return UnsafeMutableRawPointer(target)
    }
    if let quantizers = product.leftQuantizers {
      simulate(values, rows * keys, quantizers.quantizer(at: constants.key), channels: keys)
    }
    return UnsafeMutableRawPointer(values)
  }
}
