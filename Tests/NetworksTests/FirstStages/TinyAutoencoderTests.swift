import Execution
import Formats
import Foundation
import Graphs
import Networks
import Tensors
import TestSupport
import Testing

/// diffusers' `AutoencoderTiny`, against its layers written out as loops.
@Suite struct TinyAutoencoderTests {
  private static let text = """
    {"_class_name": "AutoencoderTiny", "_diffusers_version": "0.20.0", "encoder_block_out_channels": [6, 6],
     "decoder_block_out_channels": [6, 6], "num_encoder_blocks": [1, 2], "num_decoder_blocks": [2, 1], "latent_channels": 3}
    """

  private func configuration() throws -> any FirstStageConfiguration {
    try FirstStageCatalog.decode(JSON.parse(Array(Self.text.utf8), file: "config.json"), file: "config.json")
  }

  /// Layers of one network as the program numbers them, each a function of an image.
  private struct Layers {
    let parameters: [String: Tensor]
    let side: String

    func convolve(_ x: Tensor, _ name: String, stride: Int = 1) -> Tensor {
      let weight = parameters["\(side).layers.\(name).weight"]!
      let bias = parameters["\(side).layers.\(name).bias"]
      let (channels, height, width) = (x.dims[1], x.dims[2], x.dims[3])
      let (outs, kernel) = (weight.dims[0], weight.dims[2])
      let size = (height: (height - 1) / stride + 1, width: (width - 1) / stride + 1)
      var out = Tensor([1, outs, size.height, size.width])
      for o in 0..<outs {
        for i in 0..<size.height {
          for j in 0..<size.width {
            var sum = Double(bias?.values[o] ?? 0)
            for c in 0..<channels {
              for u in 0..<kernel {
                for v in 0..<kernel {
                  let (y, x0) = (i * stride + u - kernel / 2, j * stride + v - kernel / 2)
                  guard (0..<height).contains(y), (0..<width).contains(x0) else { continue }
                  let w = weight.values[((o * channels + c) * kernel + u) * kernel + v]
                  sum += Double(w) * Double(x.values[(c * height + y) * width + x0])
                }
              }
            }
            out.values[(o * size.height + i) * size.width + j] = Float(sum)
          }
        }
      }
      return out
    }

    func relu(_ x: Tensor) -> Tensor { Tensor(x.dims, x.values.map { max($0, 0) }) }

    func block(_ x: Tensor, _ name: String) -> Tensor {
      let inner = convolve(
        relu(convolve(relu(convolve(x, "\(name).conv.0")), "\(name).conv.2")), "\(name).conv.4")
      return relu(.combining(1, inner, 1, x))
    }

    func double(_ x: Tensor) -> Tensor {
      let (height, width) = (x.dims[2], x.dims[3])
      var out = Tensor([1, x.dims[1], 2 * height, 2 * width])
      for i in out.values.indices {
        let (column, row, channel) = (i % (2 * width), i / (2 * width) % (2 * height), i / (4 * width * height))
        out.values[i] = x.values[(channel * height + row / 2) * width + column / 2]
      }
      return out
    }
  }

  private func model(_ side: FirstStageSide) throws -> (model: Model, layers: Layers) {
    let graph = try configuration().graph(side, latent: SampleSize(height: 4, width: 5))
    let parameters = ModelFolderMaker.parameters(of: graph)
    return (Model(graph: graph, parameters: parameters), Layers(parameters: parameters, side: side.rawValue))
  }

  @Test func theEncoderIsItsLayers() throws {
    let (model, layers) = try model(.encoder)
    var random = SplitMix64(seed: 5)
    let x = Tensor([1, 3, 8, 10], random.floats(240))
    var h = layers.convolve(Tensor(x.dims, x.values.map { ($0 + 1) / 2 }), "0")
    h = layers.convolve(layers.block(h, "1"), "2", stride: 2)
    h = layers.convolve(layers.block(layers.block(h, "3"), "4"), "5")
    for executor in ParityContract.all {
      #expect(relativeError(try executor.make(model).run(NetworkInput(images: x)), h) < executor.tolerance)
    }
    #expect(model.graph.parameter("encoder.layers.2.bias") == nil)
  }

  @Test func theDecoderIsItsLayers() throws {
    let (model, layers) = try model(.decoder)
    var random = SplitMix64(seed: 6)
    let z = Tensor([1, 3, 4, 5], random.floats(60).map { 5 * $0 })
    let bounded = z.softlyBounded(by: 3)
    #expect(zip(bounded.values, z.values).allSatisfy { abs(Double($0) - 3 * tanh(Double($1) / 3)) < 1e-6 })
    var h = layers.relu(layers.convolve(bounded, "0"))
    h = layers.convolve(layers.double(layers.block(layers.block(h, "2"), "3")), "5")
    h = layers.convolve(layers.block(h, "6"), "7")
    let expected = Tensor(h.dims, h.values.map { 2 * $0 - 1 })
    for executor in ParityContract.all {
      let found = try executor.make(model).run(NetworkInput(images: bounded))
      #expect(relativeError(found, expected) < executor.tolerance)
    }
    #expect(try configuration().form == .bounded(by: 3) && configuration().factor == 2)
  }

  @Test func configurationsAreWrittenAndReadAgain() throws {
    let written = JSONWriter.compact(try configuration().encoded)
    let again = try FirstStageCatalog.decode(JSON.parse(Array(written.utf8), file: "again"), file: "again")
    #expect(again as? TinyAutoencoderConfiguration == (try configuration()) as? TinyAutoencoderConfiguration)
  }
}
