import Graphs
import Tensors

/// What reconstruction has made of one unit: codes and scales by layer path, learned biases by parameter, scales of
/// activations by site. Bits, zero points and granularity stay those of the first rounding and of the ranges.
package struct ReconstructedRegion: Sendable, Equatable {
  /// Row-major in the checkpoint's order.
  package var codes: [String: [UInt8]] = [:]
  package var scales: [String: [Float]] = [:]
  package var biases: [String: Tensor] = [:]
  /// By row of the site's table, then granule.
  package var steps: [Site: [Float]] = [:]

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
      && steps.allSatisfy { site, scales in
        network.table.activations[site]?.rows.reduce(0) { $0 + $1.scales.count } == scales.count
          && scales.allSatisfy { $0 > 0 && $0.isFinite }
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
    for (site, scales) in region.steps { table.activations[site] = table.activations[site]?.with(scales: scales) }
    model = model.replacing(region.biases)
  }
}

/// How far the learning of one region has come: everything that its next iterations depend on, so that they give the
/// same bits as without a stop.
package struct RegionState: Sendable, Equatable {
  package var iteration: Int
  /// Random draws so far.
  package var drawn: Int
  package var arrays: [String: [Float]]

  package init(iteration: Int, drawn: Int, arrays: [String: [Float]]) {
    self.iteration = iteration
    self.drawn = drawn
    self.arrays = arrays
  }
}

/// Remembers finished regions of one quantisation, and how far the unfinished one has come, so that a killed one goes on
/// where it was.
package protocol ReconstructionJournal: Sendable {
  /// What was made of a region earlier; nil where it was not finished.
  /// - Parameters: number: of the region within the recipe's reconstruction; name: what the graph calls it.
  func finished(_ number: Int, name: String) throws -> ReconstructedRegion?
  func record(_ region: ReconstructedRegion, _ number: Int, name: String) throws
  /// The state that was kept last of a region that is not finished.
  func unfinished(_ number: Int, name: String) throws -> RegionState?
  func keep(_ state: RegionState, _ number: Int, name: String) throws
}

extension QuantizationTask {
  /// A region from the journal, or made by `learn`, from where the journal knows it to be, and recorded there.
  /// - Parameter progress: called with the iterations done; the state is kept when it throws.
  func region(
    _ number: Int, _ name: String, of network: QuantizedNetwork, progress: (Int) throws -> Void,
    _ learn: () throws -> RegionReconstruction
  ) throws -> ReconstructedRegion {
    if let known = try journal?.finished(number, name: name), known.fits(network) { return known }
    let learning = try learn()
    if let state = try journal?.unfinished(number, name: name) { learning.restore(state) }
    let made = try learning.run(progress: progress) { try journal?.keep($0, number, name: name) }
    try journal?.record(made, number, name: name)
    return made
  }
}
