import Formats
import Foundation
import Graphs
import Networks
import Quantization
import Tensors
import TestSupport
import Testing

/// Components beside the denoiser: each with a network, a table and arrays of its own.
@Suite struct ComponentTests {
  private static let configuration = AutoencoderConfiguration(
    form: .gaussian, inChannels: 1, outChannels: 1, latentChannels: 1, innerChannels: 1, stemChannels: 4,
    blockOutChannels: [4, 4], layersPerBlock: 1, normGroups: 2, scale: LatentScale(factor: 0.5))

  private static func graph() throws -> Graph {
    try configuration.graph(.decoder, latent: SampleSize(height: 4, width: 4))
  }

  /// A denoiser with a decoder: one layer of codes, one array of 16 bits, the rest as F32.
  private static func sample() throws -> QuantizedModel {
    let tiny = try TinyModel()
    let recipe = try Recipe.plain()
    let set = try tiny.calibrationSet(recipe.calibration, steps: 2)
    var model = try tiny.artefact(recipe, set, tiny.task(recipe, set).run())
    let graph = try graph()
    var parameters = ModelFolderMaker.parameters(of: graph).mapValues { StoredTensor($0) }
    parameters["decoder.conv_in.weight"] = nil
    let bias = try #require(parameters["decoder.conv_out.bias"])
    var half = ElementConversion(from: .f32, to: .f16)
    parameters["decoder.conv_out.bias"] = StoredTensor(
      type: .f16, dims: bias.dims, bytes: half.convert(bias.bytes, 0..<bias.bytes.count))
    var table = QuantizationTable()
    table.weights["decoder.conv_in"] = QuantizedWeight(
      dims: [4, 1, 3, 3], quantizer: AffineQuantizer(bits: 8, scale: 0.01, zeroPoint: 128),
      codes: (0..<36).map { UInt8(100 + $0) })
    table.activations[Site(node: "decoder.conv_in", role: .input)] = ActivationQuantizers(
      shared: AffineQuantizer(bits: 8, scale: 0.02, zeroPoint: 128))
    model.components["decoder"] = QuantizedModel.Component(
      network: configuration.encoded, sampleShape: graph.imageShape, table: table, parameters: parameters)
    return model
  }

  @Test func componentsSurviveTheirFileBitForBit() throws {
    let model = try Self.sample()
    let (tensors, header) = model.encode()
    #expect(tensors["decoder/decoder.conv_in.weight.codes"]?.dims == [4, 9])
    #expect(tensors["decoder/decoder.conv_out.bias"]?.type == .f16)
    #expect(tensors["decoder/activations.shared.scales"] != nil)
    var alone = model
    alone.components = [:]
    // The denoiser's arrays are those of an artefact without other components.
    #expect(tensors.filter { !$0.key.hasPrefix("decoder/") } == alone.encode().tensors)
    let text = JSONWriter.compact(header)
    let read = try QuantizedModel(
      tensors: tensors, header: JSON.parse(Array(text.utf8), file: "m"), file: "m")
    #expect(read == model)
    let rebuilt = try #require(read.components["decoder"]).model(graph: Self.graph(), name: "decoder", file: "m")
    #expect(rebuilt.coded == ["decoder.conv_in.weight"])
  }

  @Test func whatIsWrongIsNamedWithItsComponent() throws {
    let model = try Self.sample()
    let (tensors, header) = model.encode()
    func refusal(_ change: (inout [String: StoredTensor], inout ConfigurationValue) -> Void) -> String? {
      var (tensors, header) = (tensors, header)
      change(&tensors, &header)
      return thrownError { _ = try QuantizedModel(tensors: tensors, header: header, file: "m") }.map { "\($0)" }
    }
    let arrays = refusal { tensors, _ in
      tensors["decoder/decoder.conv_in.weight.scales"] = nil
      tensors["decoder/decoder.conv_in.weight.codes"] = StoredTensor(dims: [4, 8], [UInt8](repeating: 0, count: 32))
      tensors["decoder/stray"] = StoredTensor(dims: [1], [1] as [UInt8])
    }
    #expect(arrays?.contains("decoder/decoder.conv_in.weight.scales") == true)
    #expect(arrays?.contains("decoder/decoder.conv_in.weight.codes: expected U8 [4, 9], found U8 [4, 8]") == true)
    #expect(arrays?.contains("decoder/stray") == true)
    let unknown = refusal { _, header in
      header = header.setting("components", header["components"]?.setting("painter", ["network": [:]]))
    }
    #expect(unknown?.contains("m: components.painter: unknown key") == true, "\(unknown ?? "")")
    let shape = refusal { _, header in
      let components = header["components"]
      header = header.setting(
        "components", components?.setting("decoder", components?["decoder"]?.setting("sample_shape", .null)))
    }
    #expect(shape?.contains("components.decoder.sample_shape: expected channels, height and width, found null") == true)
    var other = try #require(model.components["decoder"])
    other.parameters["decoder.conv_out.bias"] = nil
    let graph = try Self.graph()
    let problem = thrownError { _ = try other.model(graph: graph, name: "decoder", file: "m") }.map { "\($0)" }
    #expect(problem?.contains("m: decoder") == true && problem?.contains("decoder.conv_out.bias: missing") == true)
  }
}
