import Tensors

/// How far apart two images are in a network's maps (Zhang et al. 2018, equation 1, with all channel weights 1): at each depth the
/// channels of every position are scaled to unit length, squared differences are summed over channels and averaged over positions;
/// the depths' results are added up. Not LPIPS, whose network and channel weights are others: named after its extractor.
package enum PerceptualDistance {
  /// Added to a length before dividing, as in the authors' program.
  private static let epsilon = 1e-10

  /// One distance for each image of a batch; 0 for equal images, at most 4 for each depth.
  /// - Parameters: reference, other: maps N C H W from shallow to deep, of as many images each.
  /// - Precondition: shapes are equal.
  package static func distances(reference: [Tensor], other: [Tensor]) -> [Double] {
    precondition(reference.map(\.dims) == other.map(\.dims) && !reference.isEmpty)
    return (0..<reference[0].dims[0]).map { image in
      zip(reference, other).reduce(0) { $0 + distance($1.0, $1.1, image) }
    }
  }

  private static func distance(_ a: Tensor, _ b: Tensor, _ image: Int) -> Double {
    let (channels, positions) = (a.dims[1], a.dims[2] * a.dims[3])
    let start = image * channels * positions
    var total = 0.0
    for position in 0..<positions {
      let places = stride(from: start + position, to: start + channels * positions, by: positions)
      let (lengthA, lengthB) = (length(a, places) + epsilon, length(b, places) + epsilon)
      for place in places {
        let difference = Double(a.values[place]) / lengthA - Double(b.values[place]) / lengthB
        total += difference * difference
      }
    }
    return total / Double(positions)
  }

  private static func length(_ x: Tensor, _ places: StrideTo<Int>) -> Double {
    places.reduce(0.0) { $0 + Double(x.values[$1]) * Double(x.values[$1]) }.squareRoot()
  }
}
