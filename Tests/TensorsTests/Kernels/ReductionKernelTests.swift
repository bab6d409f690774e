import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct ReductionKernelTests {
  func softmax(_ table: KernelTable, _ values: [Float], rows: Int, columns: Int) -> [Float] {
    var values = values
    values.withUnsafeMutableBufferPointer {
      var a = ht_softmax()
      a.values = $0.baseAddress
      a.rows = Int64(rows)
      a.row_stride = Int64($0.count / rows)
      a.columns = Int32(columns)
      table.softmaxRows(&a)
    }
    return values
  }

  @Test(arguments: [1, 2, 3, 5, 15, 16, 17, 33, 40, 100, 256, 1024]) func softmaxMatchesTheDefinition(columns: Int) {
    var random = SplitMix64(UInt64(columns))
    let (rows, stride) = (3, columns + 7)
    let x = random.floats(rows * stride, scale: 20)
    let base = softmax(.base, x, rows: rows, columns: columns)
    for row in 0..<rows {
      let range = row * stride..<row * stride + columns
      let largest = Double(x[range].max()!)
      let sum = x[range].reduce(0.0) { $0 + exp(Double($1) - largest) }
      for i in range {
        let distance = largest - Double(x[i])
        let expected = exp(-distance) / sum
        // Roundings: x - max moves e^x by its size, the exponential takes 2, a lane sums columns / 16 terms and 4 more
        // levels, inverse and product one each; the terms of the sum carry the same errors.
        let roundings = distance + 40 + 2 + Double(columns / 16 + 5) + 2 + 2
        #expect(abs(Double(base[i]) - expected) <= roundings * 0x1p-24 * expected)
      }
      // What lies between the rows stays.
      #expect(base[range.upperBound..<(row + 1) * stride] == x[range.upperBound..<(row + 1) * stride])
    }
    for table in kernelTables {
      #expect(
        firstDifference(bitPatterns(softmax(table, x, rows: rows, columns: columns)), bitPatterns(base)) == nil,
        "\(table.name)")
    }
  }

  @Test func softmaxOfExtremes() {
    for table in kernelTables {
      let masked = softmax(table, [-.infinity, 1, -.infinity, 1], rows: 1, columns: 4)
      #expect(masked == [0, 0.5, 0, 0.5], "\(table.name)")
      let large = softmax(table, [3e38, -3e38, 3e38], rows: 1, columns: 3)
      #expect(large == [0.5, 0, 0.5], "\(table.name)")
      #expect(softmax(table, [1, .nan, 2], rows: 1, columns: 3).allSatisfy { $0.isNaN }, "\(table.name)")
    }
  }

  @Test(arguments: [1, 3, 5, 16, 33, 40, 64, 100, 128]) func channelSumsInOrder(channels: Int) {
    var random = SplitMix64(UInt64(channels))
    let (height, width, pixel) = (5, 7, channels + 3)
    let row = width * pixel + 2
    let x = random.floats(height * row)
    let centres = random.floats(channels)
    for (power, centre) in [(1, nil), (1, centres), (2, nil), (2, centres)] as [(Int, [Float]?)] {
      var expected = [Float](repeating: 0, count: channels)
      for y in 0..<height {
        for xx in 0..<width {
          for c in 0..<channels {
            let difference = x[y * row + xx * pixel + c] - (centre?[c] ?? 0)
            if power == 1 { expected[c] += difference } else { expected[c].addProduct(difference, difference) }
          }
        }
      }
      for table in kernelTables {
        var found = [Float](repeating: -5, count: channels + 1)
        x.withUnsafeBufferPointer { x in
          (centre ?? []).withUnsafeBufferPointer { centres in
            found.withUnsafeMutableBufferPointer { found in
              var a = ht_channel_sums()
              a.source = x.baseAddress
              a.row_stride = Int64(row)
              a.pixel_stride = Int64(pixel)
              a.height = Int32(height)
              a.width = Int32(width)
              a.channels = Int32(channels)
              a.power = Int32(power)
              a.center = centre == nil ? nil : centres.baseAddress
              a.out = found.baseAddress
              table.channelSums(&a)
            }
          }
        }
        #expect(
          firstDifference(bitPatterns(found), bitPatterns(expected + [-5])) == nil, "\(table.name) power \(power)")
      }
    }
  }
}
