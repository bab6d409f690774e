import Foundation

/// What was measured of a quantised model's layers on a few images at a few steps.
package struct ReportAnalysis: Codable, Sendable, Equatable {
  /// Digests of the two models: the analysis holds for this pair alone.
  package var float: String
  package var quantized: String
  package var images: Int
  /// The steps that were looked at, positions in execution order.
  package var steps: [Int]
  /// In the order of the network.
  package var layers: [Layer]
  package var ranges: [Ranges]
  package var histograms: [Histogram]

  /// Squared error over squared value at each of `steps`; nil where the operand is float.
  package struct Layer: Codable, Sendable, Equatable {
    package var path: String
    /// Of the network's output, with this layer's weight alone quantised.
    package var weight: [Double]?
    /// The same of its activations alone.
    package var activation: [Double]?
    /// Of what reaches the layer in the quantised network; nil where nothing could be compared.
    package var accumulated: [Double?]?
    /// Share of values beyond the grid.
    package var clippedWeights: Double?
    package var clippedActivations: Double?

    package init(
      path: String, weight: [Double]? = nil, activation: [Double]? = nil, accumulated: [Double?]? = nil,
      clippedWeights: Double? = nil, clippedActivations: Double? = nil
    ) {
      self.path = path
      self.weight = weight
      self.activation = activation
      self.accumulated = accumulated
      self.clippedWeights = clippedWeights
      self.clippedActivations = clippedActivations
    }
  }

  /// The values at one site along the float model's trajectory.
  package struct Ranges: Codable, Sendable, Equatable {
    package var site: String
    package var lower: [Double]
    package var upper: [Double]
    /// What the codes can stand for: one entry for all steps, or one for each.
    package var gridLower: [Double]
    package var gridUpper: [Double]

    package init(
      site: String, lower: [Double], upper: [Double], gridLower: [Double], gridUpper: [Double]
    ) {
      self.site = site
      self.lower = lower
      self.upper = upper
      self.gridLower = gridLower
      self.gridUpper = gridUpper
    }
  }

  /// Counts of values in units of the grid's steps: code k lies at k.
  package struct Histogram: Codable, Sendable, Equatable {
    package var site: String
    package var firstCode: Double
    package var lastCode: Double
    package var largestCode: Int
    package var counts: [Int]
    package var clipped: Double

    package init(
      site: String, firstCode: Double, lastCode: Double, largestCode: Int, counts: [Int], clipped: Double
    ) {
      self.site = site
      self.firstCode = firstCode
      self.lastCode = lastCode
      self.largestCode = largestCode
      self.counts = counts
      self.clipped = clipped
    }
  }

  package init(
    float: String, quantized: String, images: Int, steps: [Int], layers: [Layer], ranges: [Ranges],
    histograms: [Histogram]
  ) {
    self.float = float
    self.quantized = quantized
    self.images = images
    self.steps = steps
    self.layers = layers
    self.ranges = ranges
    self.histograms = histograms
  }

  /// A layer's part of the isolated errors.
  package struct Share: Sendable, Equatable {
    package let path: String
    /// Of 1: mean over steps of the layer's part in the step's isolated errors, so that no step decides alone.
    package let share: Double
    /// The part of it that the weight makes.
    package let weightShare: Double
    /// Whether the layer's weight is quantised; it is not in attention's products, which have none.
    package let hasWeight: Bool
    /// What `float_layers` takes to leave the cause in float: the input alone where the weight has almost no part.
    package var pattern: String { hasWeight && weightShare < 0.1 * share ? "\(path):input" : path }
  }

  /// The layers with an isolated error, the largest first; of equals the first in the network.
  package var shares: [Share] {
    let totals = steps.indices.map { step in
      layers.reduce(0) { $0 + Self.error($1.weight, step) + Self.error($1.activation, step) }
    }
    let counted = totals.indices.filter { totals[$0] > 0 }
    let shares = layers.map { layer in
      func part(_ errors: [Double]?) -> Double {
        counted.reduce(0) { $0 + Self.error(errors, $1) / totals[$1] } / Double(max(counted.count, 1))
      }
      let (weight, activation) = (part(layer.weight), part(layer.activation))
      return Share(
        path: layer.path, share: weight + activation, weightShare: weight, hasWeight: layer.weight != nil)
    }
    return shares.enumerated().filter { $0.element.share > 0 }
      .sorted { ($1.element.share, $0.offset) < ($0.element.share, $1.offset) }.map(\.element)
  }

  /// Of an operand at a step, zero where it is float.
  private static func error(_ errors: [Double]?, _ step: Int) -> Double {
    guard let errors, errors.indices.contains(step) else { return 0 }
    return errors[step]
  }

  /// A relative squared error in decibels below the signal; nil for none.
  package static func decibels(_ error: Double) -> Double? { error > 0 ? 10 * log10(error) : nil }
}
