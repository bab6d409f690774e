/// One network call of a batch of trajectories, complete.
public struct SamplingStep: Sendable {
  /// The numbers of the batch's images.
  public let images: [Int]
  /// Which call this is, from 0 for the noisiest, and how many a trajectory has. Most samplers make one call a step.
  public let index: Int
  public let count: Int
  /// Where it stands on the noise schedule, from 0 for almost no noise.
  public let timestep: Double
  /// x_t, what the network was given.
  public let input: SampleBatch
  /// What x_0 is predicted to be, clipped as the sampler does.
  public let predicted: SampleBatch
  /// x_(t-1), where the trajectory goes on.
  public let result: SampleBatch
}

/// An image that is finished.
public struct SampledImage: Sendable, Equatable {
  /// Its number: with the options, all that it depends on.
  public let index: Int
  /// nil for an unconditional model.
  public let label: Int?
  public let image: Image

  /// As of `Image`.
  public func writePNG(to path: String) throws { try image.writePNG(to: path) }
}

/// What happens while images are drawn, in order: the steps of a batch, then its images one by one, then the next batch.
public enum SamplingEvent: Sendable {
  case step(SamplingStep)
  case image(SampledImage)
}

/// Images that are being drawn, as a sequence of what happens.
///
/// Nothing is done before the first element is asked for, nor between one and the next: the loop that consumes the sequence
/// drives it, and what is in memory is one batch. Cancelling the task that waits for an element ends the work after the network
/// call at hand.
public struct Sampling: AsyncSequence, Sendable {
  public typealias Element = SamplingEvent

  let pipeline: Pipeline
  let options: SamplingOptions

  public func makeAsyncIterator() -> Iterator { Iterator(pipeline: pipeline, options: options) }

  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let pipeline: Pipeline
    fileprivate let options: SamplingOptions
    private var drawing: Drawing?

    fileprivate init(pipeline: Pipeline, options: SamplingOptions) {
      self.pipeline = pipeline
      self.options = options
    }

    /// - Throws: `PipelineError` when model, sampler, labels and guidance do not fit each other, at the first call;
    ///   `CancellationError`.
    public mutating func next() async throws -> SamplingEvent? {
      let (pipeline, options, begun) = (pipeline, options, drawing)
      let (event, left) = try await BlockingWork.run { flag in
        var drawing = try begun ?? Drawing(pipeline, options, flag)
        return (try drawing.next(flag), drawing)
      }
      drawing = left
      return event
    }
  }
}

/// Finished images alone, one by one.
public struct SampledImages: AsyncSequence, Sendable {
  public typealias Element = SampledImage

  let sampling: Sampling

  public func makeAsyncIterator() -> Iterator { Iterator(events: sampling.makeAsyncIterator()) }

  public struct Iterator: AsyncIteratorProtocol {
    fileprivate var events: Sampling.Iterator

    /// - Throws: as of `Sampling`.
    public mutating func next() async throws -> SampledImage? {
      while let event = try await events.next() {
        if case .image(let image) = event { return image }
      }
      return nil
    }
  }
}

extension Pipeline {
  /// Draws images and shows every step on the way.
  public func sampling(_ options: SamplingOptions = SamplingOptions()) -> Sampling {
    Sampling(pipeline: self, options: options)
  }

  /// Draws images.
  public func images(_ options: SamplingOptions = SamplingOptions()) -> SampledImages {
    SampledImages(sampling: sampling(options))
  }
}
