import CKernels
import Tensors
import TestSupport
import Testing

@Suite struct ElementwiseKernelTests {
  @Test(arguments: [0, 1, 5, 15, 16, 17, 40, 1000]) func addAndAffine(count: Int) {
    var random = SplitMix64(UInt64(count))
    let (a, b) = (random.floats(count), random.floats(count))
    for table in kernelTables {
      // In place, with one element after the end that must stay.
      var sum = a + [3]
      sum.withUnsafeMutableBufferPointer { sum in
        b.withUnsafeBufferPointer { b in
          let empty = UnsafeMutablePointer<Float>.allocate(capacity: 1)
          table.add(sum.baseAddress!, b.baseAddress ?? UnsafePointer(empty), sum.baseAddress!, count)
          empty.deallocate()
        }
      }
      #expect(firstDifference(bitPatterns(sum), bitPatterns(zip(a, b).map { $0 + $1 } + [3])) == nil, "\(table.name)")
      var scaled = a + [3]
      scaled.withUnsafeMutableBufferPointer { table.affine($0.baseAddress!, 1.7, -0.3, $0.baseAddress!, count) }
      #expect(
        firstDifference(bitPatterns(scaled), bitPatterns(a.map { Float(-0.3).addingProduct($0, 1.7) } + [3])) == nil,
        "\(table.name)")
    }
  }

  @Test(arguments: [1, 3, 16, 33]) func averagePoolIsTheMeanOfFour(channels: Int) {
    var random = SplitMix64(UInt64(channels))
    let (height, width) = (3, 2)
    let (pixel, row) = (channels + 1, 2 * width * (channels + 1) + 4)
    let (outPixel, outRow) = (channels + 2, width * (channels + 2) + 1)
    let x = random.floats(2 * height * row)
    var expected = [Float](repeating: -2, count: height * outRow)
    for y in 0..<height {
      for xx in 0..<width {
        for c in 0..<channels {
          let corner = 2 * y * row + 2 * xx * pixel + c
          expected[y * outRow + xx * outPixel + c] =
            ((x[corner] + x[corner + pixel]) + (x[corner + row] + x[corner + row + pixel])) / 4
        }
      }
    }
    for table in kernelTables {
      var found = [Float](repeating: -2, count: expected.count)
      x.withUnsafeBufferPointer { x in
        found.withUnsafeMutableBufferPointer { found in
          var a = ht_average_pool()
          a.source = x.baseAddress
          a.source_row_stride = Int64(row)
          a.source_pixel_stride = Int64(pixel)
          a.destination = found.baseAddress
          a.destination_row_stride = Int64(outRow)
          a.destination_pixel_stride = Int64(outPixel)
          a.height = Int32(height)
          a.width = Int32(width)
          a.channels = Int32(channels)
          table.averagePool(&a)
        }
      }
      #expect(firstDifference(bitPatterns(found), bitPatterns(expected)) == nil, "\(table.name)")
    }
  }

  /// Keys [T, d] as T outputs of d inputs and values [T, d] as d outputs of T inputs, both out of wider rows, pack to
  /// what the same matrix packs to as a layer's weights.
  @Test(arguments: [(1, 1), (5, 3), (33, 16), (64, 40), (100, 33)]) func matricesPackLikeWeights(
    tokens: Int, width: Int
  ) throws {
    var random = SplitMix64(9)
    let stride = width + 11
    let x = random.floats(tokens * stride)
    let keys = (0..<tokens).flatMap { t in (0..<width).map { x[t * stride + $0] } }
    let values = (0..<width).flatMap { c in (0..<tokens).map { x[$0 * stride + c] } }
    for (matrix, outputs, inputs, outputStride, inputStride) in [
      (keys, tokens, width, stride, 1), (values, width, tokens, 1, stride),
    ] {
      let expected = try PackedWeights.float(matrix, outputChannels: outputs, inputChannels: inputs, taps: 1)
      let bytes = PackedWeights.packedMatrixByteCount(outputs: outputs, inputs: inputs)
      #expect(expected.buffer.byteCount == bytes)
      for table in kernelTables {
        let buffer = try AlignedBuffer(byteCount: bytes)
        for i in 0..<bytes { buffer.span[i] = 0xff }
        x.withUnsafeBufferPointer { x in
          var a = ht_pack()
          a.source = x.baseAddress
          a.output_stride = Int64(outputStride)
          a.input_stride = Int64(inputStride)
          a.output_channels = Int32(outputs)
          a.input_channels = Int32(inputs)
          a.destination = buffer.pointer()
          table.packMatrix(&a)
        }
        #expect((0..<bytes).allSatisfy { buffer.span[$0] == expected.buffer.span[$0] }, "\(table.name)")
      }
    }
  }
}
