internal import Evaluation
internal import Tensors
internal import Workbench

/// A ratio of energies in dB. What is no number is a case of its own.
public enum Decibels: Sendable, Equatable {
  /// There is no deviation at all.
  case identical
  case value(Double)
  /// The reference is zero throughout, or a value is not finite.
  case undefined

  /// nil when identical or undefined.
  public var number: Double? { if case .value(let number) = self { number } else { nil } }

  init(_ other: Evaluation.Decibels) {
    self =
      switch other {
      case .identical: .identical
      case .value(let number): .value(number)
      case .undefined: .undefined
      }
  }
}

/// How far one pipeline is from another that is given the same seeds and labels.
public struct PipelineComparison: Sendable, Equatable {
  /// Two images of one number.
  public struct Pair: Sendable, Equatable {
    public let index: Int
    /// Peak signal-to-noise ratio of 8-bit samples, 10 log10(255^2 / mean squared error).
    public let peakRatio: Decibels
    /// Structural similarity, 1 for equal images (Wang et al. 2004).
    public let similarity: Double
  }

  /// One network call, on the reference's own states, so that errors do not build up.
  public struct Step: Sendable, Equatable {
    /// From 0 for the noisiest.
    public let index: Int
    /// Where it stands on the noise schedule.
    public let timestep: Double
    /// Signal-to-noise ratio of the predicted noise over all images, 10 log10(sum e^2 / sum (e' - e)^2).
    public let ratio: Decibels
  }

  public let pairs: [Pair]
  /// Mean of the dB of the pairs that differ; nil when none does.
  public let meanPeakRatio: Double?
  /// dB of the mean squared error over all pairs.
  public let pooledPeakRatio: Decibels
  public let steps: [Step]
  /// Mean of the dB of the steps that differ; nil when none does.
  public let meanStepRatio: Double?
}

extension Pipeline {
  /// Draws the same images with this pipeline and another and measures how far the other is from this one.
  ///
  /// Both take one sampler and one guidance: those of the options, else those that the other was calibrated for where it is
  /// quantised, else this one's own.
  /// - Parameters:
  ///   - other: a pipeline with images of the same shape.
  ///   - options: what is drawn; without an executor, since each pipeline has its own.
  ///   - progress: is told how far the work has come.
  /// - Throws: `PipelineError` when shapes, sampler, labels and guidance do not fit both; `CancellationError`.
  public func compare(
    with other: Pipeline, _ options: SamplingOptions = SamplingOptions(count: 8),
    progress: @escaping ProgressHandler = { _ in }
  ) async throws -> PipelineComparison {
    try await BlockingWork.run { flag in
      let session = runtime.session(flag, progress: progress)
      let images = try options.checkedImages()
      let samplers = try pairedSamplers(with: other, options, last: images.upperBound, session)
      var comparison = PairedComparison(shape: source.imageShape)
      var (first, second) = (Drawing(samplers[0], images), Drawing(samplers[1], images))
      for index in images {
        let done = Double(index - images.lowerBound)
        progress(WorkProgress(stage: "drawing pairs", unit: "pairs", done: done, total: images.count))
        if let a = try first.nextImage(flag), let b = try second.nextImage(flag) {
          try comparison.add(reference: a.image.bytes, other: b.image.bytes)
        }
      }
      let errors = try StepErrors(float: samplers[0], quantized: [(other.facts.name, samplers[1].denoiser)])
        .measure(images, journal: nil, session: session)[0]
      let steps = try samplers[0].trajectory([images.lowerBound]).steps
      return PipelineComparison(images, comparison, zip(steps, errors).map { ($0.timestep.value, $1) })
    }
  }

  /// What draws with this pipeline and with another, with one sampler and one guidance.
  private func pairedSamplers(
    with other: Pipeline, _ options: SamplingOptions, last: Int, _ session: Session
  ) throws -> [ImageSampler] {
    if let executor = options.executor {
      throw ArgumentError(name: "executor", found: executor.rawValue, expected: "nil, since each pipeline has its own")
    }
    guard facts.imageShape == other.facts.imageShape, facts.sampleShape == other.facts.sampleShape else {
      let found = [other, self].map { "\($0.source.imageShape) made of samples \($0.source.model.graph.imageShape)" }
      throw ArgumentError(name: "the other pipeline", found: "one of images \(found[0])", expected: found[1])
    }
    let decisive = other.source.quantized == nil ? source : other.source
    let chosen = try decisive.sampler(
      options.sampler.map { .named($0) }, steps: options.steps, assets: session.assets)
    session.console.notes(chosen.notes)
    let guidance = try options.guidanceOptions.setting(for: decisive)
    return try [source, other.source].map {
      try SamplingPlan(
        source: $0, sampler: chosen.sampler, executor: $0.defaultExecutor, seed: options.seed,
        labels: options.labels.map { LabelCycle($0) },
        guidance: GuidanceOptions(scale: guidance?.scale ?? 1, rescale: guidance?.rescale ?? 0)
      ).imageSampler(last: last, compute: runtime.compute, console: session.console)
    }
  }
}

extension PipelineComparison {
  fileprivate init(
    _ images: ClosedRange<Int>, _ comparison: PairedComparison, _ errors: [(timestep: Double, error: SignalToNoise)]
  ) {
    let quality = comparison.quality
    pairs = zip(images, zip(quality.images, comparison.similarities)).map {
      Pair(index: $0, peakRatio: Decibels($1.0), similarity: $1.1)
    }
    meanPeakRatio = quality.meanDecibels
    pooledPeakRatio = Decibels(quality.pooled)
    steps = errors.enumerated().map { index, step in
      Step(index: index, timestep: step.timestep, ratio: Decibels(step.error.ratio))
    }
    let numbers = steps.compactMap(\.ratio.number)
    meanStepRatio = numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
  }
}
