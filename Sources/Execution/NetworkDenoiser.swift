import Diffusion
import Graphs
import Tensors

/// A network as samplers see it: an executor, and what its output means.
package struct NetworkDenoiser: Denoiser {
  package let executor: any Executor
  package let imageShape: ImageShape
  package let predictionType: PredictionType
  package let learnsVariance: Bool
  package let conditioning: ConditioningForm
  private let embedder: ClassEmbedder?

  /// - Parameters:
  ///   - learnsVariance: whether the second half of the output channels is a variance.
  ///   - embedder: stands in front of the network, which then is conditioned on labels.
  /// - Throws: unless the output has the image's size and channels (twice the channels with a learned variance).
  package init(
    graph: Graph, executor: any Executor, predictionType: PredictionType, learnsVariance: Bool = false,
    embedder: ClassEmbedder? = nil
  ) throws(ExecutionError) {
    let image = graph.imageShape
    let expected = [learnsVariance ? 2 * image.channels : image.channels, image.height, image.width]
    let found = graph.nodes[graph.output].dims
    guard found == expected else { throw .outputShape(expected: expected, found: found) }
    self.executor = executor
    self.predictionType = predictionType
    self.learnsVariance = learnsVariance
    imageShape = image
    self.embedder = embedder
    conditioning = embedder?.form ?? graph.conditioning
  }

  package func predict(_ x: Tensor, at step: Step, conditioning: [Conditioning]) throws -> Tensor {
    var conditioning = conditioning
    if let embedder {
      for image in conditioning { try embedder.form.check(image) }
      conditioning = conditioning.map(embedder.embedded)
    }
    return try executor.run(NetworkInput(x: x, at: step, conditioning: conditioning))
  }
}
