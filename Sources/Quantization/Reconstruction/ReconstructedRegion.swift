import Models
import Tensors

/// What reconstruction has made of one unit: codes and scales by layer path, learned biases by parameter. Bits, zero
/// points and granularity stay those of the first rounding.
package struct ReconstructedRegion: Sendable, Equatable {
  /// Row-major in the checkpoint's order.
  package var codes: [String: [UInt8]] = [:]
  package var scales: [String: [Float]] = [:]
  package var biases: [String: Tensor] = [:]

  package init() {}

  /// Whether the region can be one of `network`'s: layers, counts and ranges.
  package func fits(_ network: QuantizedNetwork) -> Bool {
    codes.keys.sorted() == scales.keys.sorted()
      && codes.allSatisfy { path, codes in
        guard let weight = network.table.weights[path], weight.isLearnable else { return false }
        return codes.count == weight.codes.count && codes.allSatisfy { Int($0) <= weight.quantizer.largestCode }
          && scales[path]?.count == weight.quantizer.scales.count
          && scales[path]?.allSatisfy { $0 > 0 && $0.isFinite } ?? false
      }
      && biases.allSatisfy { name, bias in
        network.model.parameters[name]?.dims == bias.dims && bias.values.allSatisfy(\.isFinite)
      }
  }
}

extension QuantizedNetwork {
  /// Takes over a region that fits.
  mutating func apply(_ region: ReconstructedRegion) {
    for (path, codes) in region.codes {
      guard let weight = table.weights[path], let scales = region.scales[path] else { continue }
      table.weights[path] = QuantizedWeight(
        dims: weight.dims,
        quantizer: AffineQuantizer(
          bits: weight.quantizer.bits, granularity: weight.quantizer.granularity, scales: scales,
          zeroPoints: weight.quantizer.zeroPoints), codes: codes)
    }
    model = Model(graph: model.graph, parameters: model.parameters.merging(region.biases) { _, new in new })
  }
}

/// Remembers finished regions of one quantisation, so that a killed one goes on where it was.
package protocol ReconstructionJournal: Sendable {
  /// What was made of a region earlier; nil where it was not finished.
  /// - Parameters: number: of the region within the recipe's reconstruction; name: what the graph calls it.
  func finished(_ number: Int, name: String) throws -> ReconstructedRegion?
  func record(_ region: ReconstructedRegion, _ number: Int, name: String) throws
}

extension QuantizationTask {
  /// A region from the journal, or made by `learn` and recorded there.
  func region(
    _ number: Int, _ name: String, of network: QuantizedNetwork, _ learn: () throws -> ReconstructedRegion
  ) throws -> ReconstructedRegion {
    if let known = try journal?.finished(number, name: name), known.fits(network) { return known }
    let made = try learn()
    try journal?.record(made, number, name: name)
    return made
  }
}
