import Evaluation
import Formats
import Tensors

/// Perceptual distances of pairs of images, on the maps of an extractor.
struct PerceptualComparison {
  let extractor: FeatureExtractorIdentity
  /// Of each pair, in order.
  let distances: [Double]

  var mean: Double { distances.reduce(0, +) / Double(distances.count) }
  /// Named after its extractor: it is not LPIPS.
  var title: String { "perceptual distance on \(printable(extractor.name))" }

  /// - Parameters:
  ///   - options: whose extractor is used. Without a choice there, images that the standard one does not take have no distance.
  ///   - images: at least one.
  init?(
    _ reference: ImageStore, _ other: ImageStore, _ images: ClosedRange<Int>, options: ScoringOptions,
    session: Session, compute: Compute
  ) throws {
    let request = try ExtractorRequest(
      options.features, mode: options.mode, assets: session.assets, environment: session.environment)
    let network = try request.definition.mapExtractor(request.source(session: session, compute: compute))
    var distances: [Double] = []
    do {
      // Maps of a batch of 299x299 images are large: a few images at a time.
      for index in images {
        let maps = try [reference, other].map { store in
          try network.maps(of: store.read(index).pixels, shape: store.shape)
        }
        distances += PerceptualDistance.distances(reference: maps[0], other: maps[1])
      }
    } catch let error as EvaluationError {
      guard case .imageShape = error, options.features == nil, options.mode == nil else { throw error }
      return nil
    }
    extractor = network.identity
    self.distances = distances
  }
}
