import CKernels
import Tensors
import TestSupport
import Testing

@Suite struct BFloat16KernelTests {
  /// Those that the executor gives the kernel: an even number of input channels.
  static let cases = ConvolutionCase.all.filter { $0.inputChannels % 2 == 0 }

  private func rounded(_ x: Float) -> Float { Float(bfloat16Bits: x.bfloat16Bits) }

  @Test func numbersAreRoundedToNearestEven() {
    // A unit in the last place of bfloat16 between 1 and 2 is 2^-7: ties at odd multiples of 2^-8 go to the even neighbour.
    let unit: Float = 0x1p-7
    for (x, expected) in [
      (1 + unit / 2, 1), (1 + 1.5 * unit, 1 + 2 * unit), (1 + unit * 0.51, 1 + unit), (-1 - unit / 2, -1), (0, 0),
      (3.4e38, .infinity), (.infinity, .infinity), (-.infinity, -.infinity), (0x1p-133, 0x1p-133), (0x1p-135, 0),
    ] as [(Float, Float)] { #expect(rounded(x) == expected, "\(x)") }
    #expect(rounded(.nan).isNaN && rounded(Float(bitPattern: 0x7fff_ffff)).isNaN)
  }

  /// On every instruction set, whole vectors and rests alike; nothing else is written.
  @Test func passesWriteTheRoundedNumbers() {
    var random = SplitMix64(11)
    for channels in [1, 15, 16, 40] {
      let x =
        random.floats(channels * 3, scale: 3)
        + [.nan, .infinity, -.infinity, 0x1p-130, 3.4e38, 1 + 0x1p-8].prefix(channels)
      let pixels = 3
      for activation in TransformKernelTests.Activation.all {
        for table in kernelTables {
          var floats = [Float](repeating: 0, count: channels * pixels)
          var halves = [UInt16](repeating: 0x4242, count: channels * pixels + 4)
          x.suffix(channels * pixels).withUnsafeBufferPointer { x in
            var a = ht_transform()
            a.source = x.baseAddress
            a.source_pixel_stride = Int64(channels)
            a.destination_pixel_stride = Int64(channels)
            a.height = 1
            a.width = Int32(pixels)
            a.channels = Int32(channels)
            a.activation = Int32(activation.code)
            floats.withUnsafeMutableBytes {
              a.destination = $0.baseAddress
              table.transform(&a)
            }
            a.element = Int32(HT_ELEMENT_BFLOAT16)
            halves.withUnsafeMutableBytes {
              a.destination = $0.baseAddress
              table.transform(&a)
            }
          }
          let expected = floats.map { $0.isNaN ? UInt16(0x7fc0) : $0.bfloat16Bits }
          #expect(Array(halves.suffix(4)) == [0x4242, 0x4242, 0x4242, 0x4242])
          #expect(firstDifference(Array(halves.dropLast(4)), expected) == nil, "\(table.name), \(channels) channels")
        }
      }
    }
  }

  @Test func rowFunctionsWriteTheRoundedNumbers() {
    var random = SplitMix64(12)
    let (rows, channels) = (3, 37)
    let x = random.floats(rows * 2 * channels)
    let (scale, shift) = (random.floats(2 * channels), random.floats(2 * channels))
    /// Both functions' results, stored as `element` in elements of a type.
    func run<Element: Numeric>(_ table: KernelTable, _ element: Int, _: Element.Type) -> [Element] {
      var found = [Element](repeating: 0, count: rows * channels * 3)
      x.withUnsafeBufferPointer { x in
        scale.withUnsafeBufferPointer { scale in
          shift.withUnsafeBufferPointer { shift in
            found.withUnsafeMutableBufferPointer { found in
              func out(_ place: Int, _ count: Int) -> ht_row_store {
                var out = ht_row_store()
                out.destination = UnsafeMutableRawPointer(found.baseAddress! + place)
                out.row_stride = Int64(count)
                out.count = Int32(count)
                out.element = Int32(element)
                return out
              }
              var norm = ht_layer_norm(
                source: x.baseAddress, scale: scale.baseAddress, shift: shift.baseAddress, rows: Int32(rows),
                channels: Int32(2 * channels), epsilon: 1e-5, out: out(0, 2 * channels))
              table.layerNorm(&norm)
              var gates = ht_geglu(
                source: x.baseAddress, rows: Int32(rows), channels: Int32(channels),
                out: out(rows * 2 * channels, channels))
              table.geglu(&gates)
            }
          }
        }
      }
      return found
    }
    for table in kernelTables {
      let floats = run(table, HT_ELEMENT_FLOAT, Float.self)
      #expect(run(table, HT_ELEMENT_BFLOAT16, UInt16.self) == floats.map(\.bfloat16Bits), "\(table.name)")
    }
  }

  @Test func weightsLieInPairsOfInputs() throws {
    let (outputs, inputs, taps) = (33, 4, 2)
    let values = (0..<(outputs * inputs * taps)).map { Float($0) + 0.3 }
    let packed = try PackedWeights.bfloat16(values, outputChannels: outputs, inputChannels: inputs, taps: taps)
    #expect(packed.blocks == 2 && packed.byteCount == 2 * 32 * inputs * taps * 2)
    let bits = packed.buffer.pointer(UInt16.self, count: packed.byteCount / 2)
    for o in 0..<64 {
      for tap in 0..<taps {
        for i in 0..<inputs {
          let place = ((((o / 32) * taps + tap) * (inputs / 2) + i / 2) * 32 + o % 32) * 2 + i % 2
          let expected = o < outputs ? values[(o * inputs + i) * taps + tap].bfloat16Bits : 0
          #expect(bits[place] == expected, "output \(o), tap \(tap), input \(i)")
        }
      }
    }
  }

  /// Sums of products of the rounded operands. The processor may round in any order inside a pair: within its bound, not to the bit.
  @Test(.enabled(if: KernelTable.best.convolveBF16 != nil, "no AVX512-BF16 here"), arguments: cases)
  func convolutionMatchesTheDefinition(c: ConvolutionCase) throws {
    let kernel = try #require(KernelTable.best.convolveBF16)
    var random = SplitMix64(3)
    let suite = ConvolutionKernelTests()
    let layout = ConvolutionKernelTests.Layout(c, paddedChannels: c.inputChannels)
    let input = random.floats(c.inputHeight * layout.inputRow)
    let w = random.floats(c.outputChannels * c.inputChannels * c.taps)
    let bias = random.floats(c.outputChannels)
    let residual = c.hasResidual ? random.floats(c.height * layout.outputRow) : nil
    let weights = try PackedWeights.bfloat16(
      w, outputChannels: c.outputChannels, inputChannels: c.inputChannels, taps: c.taps)
    let halves = input.map(\.bfloat16Bits)
    let found = halves.withUnsafeBytes {
      suite.run(
        kernel, c, layout, input: $0.baseAddress!, weights: weights, start: [], scale: [],
        bias: suite.padded(bias, to: weights), residual: residual)
    }
    var written = Set<Int>()
    for y in 0..<c.height {
      for x in 0..<c.width {
        for o in 0..<c.outputChannels {
          var (sum, magnitude) = (Double(bias[o]), abs(Double(bias[o])))
          for tap in 0..<c.taps {
            for i in 0..<c.inputChannels {
              let product =
                Double(rounded(input[suite.source(layout, c, y, x, tap) + i]))
                * Double(rounded(w[(o * c.inputChannels + i) * c.taps + tap]))
              sum += product
              magnitude += abs(product)
            }
          }
          let position = y * layout.outputRow + x * layout.outputPixel + o
          if let residual {
            sum += Double(residual[position])
            magnitude += abs(Double(residual[position]))
          }
          written.insert(position)
          // Each of the additions rounds by half a unit in the last place of at most `magnitude`.
          let bound = Double(c.inputChannels * c.taps + 2) * 0x1p-24 * magnitude
          #expect(abs(Double(found[position]) - sum) <= bound, "output \(o) at \(y), \(x)")
        }
      }
    }
    for position in found.indices where !written.contains(position) {
      #expect(found[position] == residual?[position] ?? -77, "element \(position) is not the convolution's")
    }
  }
}
