import CKernels
import Tensors
import TestSupport
import Testing

/// One convolution over an already padded input, with every stride written out.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
  var inputChannels: Int
  var outputChannels: Int
  /// Of the output.
  var height: Int
  var width: Int
  /// 1 or 3.
  var kernel = 3
  var stride = 1
  var hasResidual = true
  /// Pixels and rows of the input follow each other without gaps, as in halo buffers.
  var isDense = false

  var testDescription: String {
    "\(inputChannels)→\(outputChannels) \(height)x\(width) kernel \(kernel) stride \(stride) residual \(hasResidual)\(isDense ? " dense" : "")"
  }
  var inputHeight: Int { (height - 1) * stride + kernel }
  var inputWidth: Int { (width - 1) * stride + kernel }
  var taps: Int { kernel * kernel }
  var outputPixels: Int { height * width }

  static let all: [ConvolutionCase] = {
    var cases: [ConvolutionCase] = []
    for (channels, outputs) in [(1, 1), (3, 5), (5, 33), (16, 32), (33, 40), (40, 64), (12, 16), (7, 80)] {
      for kernel in [1, 3] {
        cases.append(.init(inputChannels: channels, outputChannels: outputs, height: 4, width: 5, kernel: kernel))
      }
    }
    for width in 1...13 {
      cases.append(.init(inputChannels: 6, outputChannels: 33, height: 3, width: width, hasResidual: width % 2 == 0))
    }
    for size in [1, 2, 4, 7] {
      cases.append(.init(inputChannels: 8, outputChannels: 64, height: size, width: size, stride: 2))
    }
    cases.append(.init(inputChannels: 20, outputChannels: 32, height: 1, width: 50, kernel: 1, hasResidual: false))
    return cases + matrices
  }()

  /// What fills matrix registers: rows of pixels that go on over rows of the map or do not, registers that repeat pixels, taps side
  /// by side, and channels that divide into registers or do not.
  static let matrices: [ConvolutionCase] = {
    var cases: [ConvolutionCase] = []
    for (height, width) in [(1, 16), (1, 17), (1, 33), (2, 1), (4, 4), (5, 7), (6, 8), (3, 15), (2, 28), (2, 40)] {
      for kernel in [1, 3] {
        cases.append(
          .init(
            inputChannels: 64, outputChannels: 33, height: height, width: width, kernel: kernel,
            hasResidual: width % 2 == 0, isDense: true))
      }
    }
    for channels in [8, 32, 44, 48, 96, 100, 132, 192] {
      for kernel in [1, 3] {
        cases.append(
          .init(inputChannels: channels, outputChannels: 72, height: 4, width: 9, kernel: kernel, isDense: true))
      }
    }
    for size in [4, 8, 16] {
      cases.append(
        .init(inputChannels: 64, outputChannels: 32, height: size, width: size, stride: 2, isDense: true))
      cases.append(.init(inputChannels: 128, outputChannels: 32, height: size, width: size))
    }
    return cases
  }()
}

/// How large weights are against the 128 that sums of pairs in 16 bits allow.
enum WeightSpread: String, CaseIterable, Sendable {
  /// Any byte, as often as any other: too many pairs exceed.
  case anyByte
  /// A bell in the bytes, as 8-bit weights are: a few pairs exceed.
  case bell8
  /// The same in 7 bits: no pair exceeds, some sums of pairs do.
  case bell7
  /// The same in 4 bits.
  case bell4
  /// 4 bits with a few weights as far away as a zero point may be.
  case far4

  func weights(_ count: Int, _ random: inout SplitMix64) -> [Int8] {
    if self == .anyByte { return random.signedBytes(count) }
    let values = random.floats(count * 4)
    return (0..<count).map { i in
      let bell = values[4 * i] + values[4 * i + 1] + values[4 * i + 2] + values[4 * i + 3]
      switch self {
      case .anyByte: return 0
      case .bell8: return Int8(max(-128, min(127, (bell * 30).rounded())))
      case .bell7: return Int8(max(-64, min(63, (bell * 15).rounded())))
      case .bell4: return Int8(max(-8, min(7, (bell * 3).rounded())))
      case .far4: return i % 97 == 5 ? -112 : Int8(max(-8, min(7, (bell * 3).rounded())))
      }
    }
  }
}

@Suite struct ConvolutionKernelTests {
  /// Slack in every stride, so that a kernel that assumes dense arrays is found.
  struct Layout {
    let inputPixel: Int, inputRow: Int, outputPixel: Int, outputRow: Int
    let tapOffsets: [Int32]
    init(_ c: ConvolutionCase, paddedChannels: Int) {
      let gap = c.isDense ? 0 : 4
      let (pixel, row) = (paddedChannels + gap, c.inputWidth * (paddedChannels + gap) + 2 * gap)
      inputPixel = pixel
      inputRow = row
      outputPixel = c.outputChannels + 3
      outputRow = c.width * (c.outputChannels + 3) + 5
      tapOffsets = (0..<c.taps).map { Int32($0 / c.kernel * row + $0 % c.kernel * pixel) }
    }
  }

  /// Runs rows and blocks in two parts each, as workers would.
  func run(
    _ kernel: (UnsafePointer<ht_convolution>) -> Void, _ c: ConvolutionCase, _ layout: Layout, input: UnsafeRawPointer,
    weights: PackedWeights, start: [Int32], scale: [Float], bias: [Float], residual: [Float]?
  ) -> [Float] {
    var output = [Float](repeating: -77, count: c.height * layout.outputRow)
    output.withUnsafeMutableBufferPointer { output in
      layout.tapOffsets.withUnsafeBufferPointer { taps in
        start.withUnsafeBufferPointer { start in
          scale.withUnsafeBufferPointer { scale in
            bias.withUnsafeBufferPointer { bias in
              if let residual { _ = output.update(from: residual) }
              var a = ht_convolution()
              a.input = input
              a.tap_offsets = taps.baseAddress
              weights.set(in: &a)
              a.input_row_stride = Int64(layout.inputRow * c.stride)
              a.input_pixel_stride = Int64(layout.inputPixel * c.stride)
              a.start = start.baseAddress
              a.scale = scale.baseAddress
              a.bias = bias.baseAddress
              // In place: the output starts as the residual.
              a.residual = residual == nil ? nil : UnsafePointer(output.baseAddress)
              a.output = output.baseAddress
              a.output_row_stride = Int64(layout.outputRow)
              a.output_pixel_stride = Int64(layout.outputPixel)
              a.width = Int32(c.width)
              a.output_channels = Int32(c.outputChannels)
              let (middleRow, middleBlock) = (c.height / 2, weights.blocks / 2)
              for rows in [0..<middleRow, middleRow..<c.height] where !rows.isEmpty {
                for blocks in [0..<middleBlock, middleBlock..<weights.blocks] where !blocks.isEmpty {
                  a.row_begin = Int32(rows.lowerBound)
                  a.row_end = Int32(rows.upperBound)
                  a.block_begin = Int32(blocks.lowerBound)
                  a.block_end = Int32(blocks.upperBound)
                  kernel(&a)
                }
              }
            }
          }
        }
      }
    }
    return output
  }

  /// Index of the first element of input pixel under `tap` of output (y, x).
  func source(_ layout: Layout, _ c: ConvolutionCase, _ y: Int, _ x: Int, _ tap: Int) -> Int {
    y * c.stride * layout.inputRow + x * c.stride * layout.inputPixel + Int(layout.tapOffsets[tap])
  }

  func padded(_ values: [Float], to weights: PackedWeights) -> [Float] {
    values + [Float](repeating: 0, count: weights.blocks * 32 - values.count)
  }

  @Test(arguments: ConvolutionCase.all) func floatMatchesTheDefinition(c: ConvolutionCase) throws {
    var random = SplitMix64(1)
    let layout = Layout(c, paddedChannels: c.inputChannels)
    let input = random.floats(c.inputHeight * layout.inputRow)
    let w = random.floats(c.outputChannels * c.inputChannels * c.taps)
    let bias = random.floats(c.outputChannels)
    let residual = c.hasResidual ? random.floats(c.height * layout.outputRow) : nil
    let weights = try PackedWeights.float(
      w, outputChannels: c.outputChannels, inputChannels: c.inputChannels, taps: c.taps)

    var expected = residual ?? [Float](repeating: -77, count: c.height * layout.outputRow)
    for y in 0..<c.height {
      for x in 0..<c.width {
        for o in 0..<c.outputChannels {
          var sum = bias[o]
          for tap in 0..<c.taps {
            for i in 0..<c.inputChannels {
              sum.addProduct(input[source(layout, c, y, x, tap) + i], w[(o * c.inputChannels + i) * c.taps + tap])
            }
          }
          let position = y * layout.outputRow + x * layout.outputPixel + o
          expected[position] = residual.map { sum + $0[position] } ?? sum
        }
      }
    }
    for table in kernelTables {
      let found = input.withUnsafeBytes {
        run(
          table.convolveF32, c, layout, input: $0.baseAddress!, weights: weights, start: [], scale: [],
          bias: padded(bias, to: weights), residual: residual)
      }
      // The promise is stronger than a tolerance: this order of fused multiply-adds, bit for bit, nothing else written.
      #expect(firstDifference(bitPatterns(found), bitPatterns(expected)) == nil, "\(table.name)")
    }
  }

  @Test(arguments: ConvolutionCase.all, WeightSpread.allCases)
  func integerMatchesTheDefinition(c: ConvolutionCase, spread: WeightSpread) throws {
    var random = SplitMix64(2)
    let channels = PackedWeights.paddedInputChannels(c.inputChannels)
    let layout = Layout(c, paddedChannels: channels)
    // The padding channels hold arbitrary codes: their weights are zero.
    let input = random.bytes(c.inputHeight * layout.inputRow)
    let w = spread.weights(c.outputChannels * c.inputChannels * c.taps, &random)
    let bias = random.floats(c.outputChannels)
    let scale = random.floats(c.outputChannels, scale: 1e-3)
    let residual = c.hasResidual ? random.floats(c.height * layout.outputRow) : nil
    let zeroPoint = 131

    var expected = residual ?? [Float](repeating: -77, count: c.height * layout.outputRow)
    for y in 0..<c.height {
      for x in 0..<c.width {
        for o in 0..<c.outputChannels {
          var sum = 0
          for tap in 0..<c.taps {
            for i in 0..<c.inputChannels {
              let code = Int(input[source(layout, c, y, x, tap) + i]) - zeroPoint
              sum += code * Int(w[(o * c.inputChannels + i) * c.taps + tap])
            }
          }
          let position = y * layout.outputRow + x * layout.outputPixel + o
          let value = bias[o].addingProduct(Float(sum), scale[o])
          expected[position] = residual.map { value + $0[position] } ?? value
        }
      }
    }
    for table in kernelTables {
      let weights = try PackedWeights.integer(
        w, outputChannels: c.outputChannels, inputChannels: c.inputChannels, taps: c.taps,
        layout: table.instructionSet.integerLayout)
      let found = input.withUnsafeBytes {
        run(
          table.convolveU8S8, c, layout, input: $0.baseAddress!, weights: weights,
          start: weights.startValues(zeroPoint: zeroPoint), scale: padded(scale, to: weights),
          bias: padded(bias, to: weights), residual: residual)
      }
      #expect(firstDifference(bitPatterns(found), bitPatterns(expected)) == nil, "\(table.name)")
    }
  }

  /// 16-bit pair sums would saturate here: 255 * 127 * 2 and 255 * -128 * 2 are beyond Int16.
  @Test(arguments: [Int8(127), -128, -127, 64, -64, 65, 8]) func extremeCodesDoNotSaturate(weight: Int8) throws {
    let c = ConvolutionCase(inputChannels: 64, outputChannels: 48, height: 3, width: 13, hasResidual: false)
    let layout = Layout(c, paddedChannels: 64)
    let input = [UInt8](repeating: 255, count: c.inputHeight * layout.inputRow)
    for table in kernelTables {
      let weights = try PackedWeights.integer(
        [Int8](repeating: weight, count: 48 * 64 * 9), outputChannels: 48, inputChannels: 64, taps: 9,
        layout: table.instructionSet.integerLayout)
      let found = input.withUnsafeBytes {
        run(
          table.convolveU8S8, c, layout, input: $0.baseAddress!, weights: weights,
          start: [Int32](repeating: 0, count: 64), scale: [Float](repeating: 1, count: 64),
          bias: [Float](repeating: 0, count: 64), residual: nil)
      }
      for y in 0..<c.height {
        for x in 0..<c.width {
          for o in 0..<48 {
            #expect(found[y * layout.outputRow + x * layout.outputPixel + o] == Float(255 * 64 * 9 * Int(weight)))
          }
        }
      }
    }
  }
}
