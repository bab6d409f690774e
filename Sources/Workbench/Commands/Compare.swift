import Diffusion
import Evaluation
import Formats
import Graphs
import Tensors

/// `compare`: a quantised model against its float model at equal seeds.
package struct CompareCommand: Sendable {
  package var float: String
  package var quantized: String
  package var sampler: SamplerOptions
  package var images: ClosedRange<Int>
  package var seed: UInt64
  package var labels: LabelCycle?
  package var guidance: GuidanceOptions
  package var modelOptions: ModelOptions
  package var out: String?
  /// Of the perceptual distance.
  package var options: ScoringOptions
  package var threads: Int
  package var batch: Int
  /// Shows the grid on the terminal; nil: no.
  package var preview: Preview?
  package var json: Bool

  package init(
    float: String, quantized: String, sampler: SamplerOptions, images: ClosedRange<Int>, seed: UInt64,
    labels: LabelCycle?, guidance: GuidanceOptions, modelOptions: ModelOptions, out: String?, options: ScoringOptions,
    threads: Int, batch: Int, preview: Preview? = nil, json: Bool
  ) {
    self.preview = preview
    self.float = float
    self.quantized = quantized
    self.sampler = sampler
    self.images = images
    self.seed = seed
    self.labels = labels
    self.guidance = guidance
    self.modelOptions = modelOptions
    self.out = out
    self.options = options
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  private static let worstShown = 5

  package func run(_ session: Session) throws {
    let float = try session.open(float, modelOptions, holding: .packed)
    let quantized = try session.open(quantized)
    try float.checkPair(with: quantized)
    let chosen = try quantized.sampler(sampler.name.map { .named($0) }, steps: sampler.steps, assets: session.assets)
    let sampler = chosen.sampler
    let notes = try float.schedule.notes + chosen.notes
    session.console.notes(notes)
    let compute = try Compute(threads: threads, batch: batch)
    // Both as the quantised model was calibrated, unless told otherwise.
    let own = try guidance.setting(for: quantized)
    let guidance = GuidanceOptions(scale: own?.scale ?? 1, rescale: own?.rescale ?? 0)
    let plans = try [float, quantized].map {
      try SamplingPlan(
        source: $0, sampler: sampler, executor: $0.defaultExecutor, seed: seed, labels: labels,
        guidance: guidance)
    }
    try StepJournal.checkMemory(images: images.count, networks: 2, steps: plans[0].steps.count)
    let samplers = try plans.map {
      try $0.imageSampler(last: images.upperBound, compute: compute, console: session.console)
    }
    let run = try RunFolder(
      out ?? joined("outputs", "compare-\(float.name)-\(quantized.name)-seed\(seed)"), command: "compare",
      identity: [
        "float": plans[0].identity(kernels: compute.kernels), "quantized": plans[1].identity(kernels: compute.kernels),
      ], arguments: session.arguments)

    var stores: [ImageStore] = []
    for (position, title) in ["float", "quantized"].enumerated() {
      let store = plans[position].store(in: run, subfolder: title)
      _ = try samplers[position].draw(images, into: store, title: "sampling \(title)", session: session, log: run.log)
      stores.append(store)
    }
    let errors = StepErrors(float: samplers[0], quantized: [(quantized.name, samplers[1].denoiser)])
    let steps = try errors.measure(images, journal: run.file("steps.jsonl"), session: session)[0]
    let drift = try TrajectoryDrift(float: samplers[0], quantized: samplers[1], name: quantized.name)
      .measure(images, journal: run.file("trajectory.jsonl"), session: session)
    let pairs = try stores[0].comparison(with: stores[1], images)
    let perceptual = try PerceptualComparison(
      stores[0], stores[1], images, options: options, session: session, compute: compute)
    let measured = Measured(
      steps: plans[0].steps, errors: steps, drift: drift, pairs: pairs, perceptual: perceptual,
      latents: float.pipeline.firstStage == nil ? nil : drift.last,
      decoder: try decoderQuality(samplers, session))
    let picture = try stores[0].writePairs(
      with: stores[1], images, names: ["float", quantized.name], to: run.file("grid.png"))
    let report = report(float, quantized, measured, notes)
    let page = ReportBuilder(session, compute: compute, floats: [float])
    try page.add(run.path, own: report)
    try page.addStrip([("float", samplers[0]), (quantized.name, samplers[1])])
    try page.write(run.file("report.html"), own: report)
    if json { return try session.console.result(json: report) }
    try printText(session, quantized, measured, run)
    try preview?.show(picture, file: run.file("grid.png"), console: session.console)
  }

  /// Of the decoder by itself, on the float model's latents; nil without two that differ.
  private func decoderQuality(_ samplers: [ImageSampler], _ session: Session) throws -> PairedQuality? {
    guard let float = samplers[0].decoder, let quantized = samplers[1].decoder,
      float.network.digest != quantized.network.digest
    else { return nil }
    let latents = try samplers[0].ends(
      of: images.prefix(DecoderFigures.mostLatents), title: "sampling latents", session: session)
    return try DecoderComparison(float: float, quantized: quantized).quality(latents)
  }

  private struct Measured {
    /// Of the trajectory, with the errors on the float model's states and the drift after each.
    let steps: [Step]
    let errors: [SignalToNoise]
    let drift: [SignalToNoise]
    let pairs: PairedComparison
    let perceptual: PerceptualComparison?
    /// Of the latents that trajectories end in; nil for pixel models.
    let latents: SignalToNoise?
    /// Of the decoder by itself; nil where both have the same.
    let decoder: PairedQuality?
  }

  private func report(
    _ float: ModelSource, _ quantized: ModelSource, _ measured: Measured, _ notes: [String]
  ) -> ConfigurationValue {
    let pairs = measured.pairs
    let quality = pairs.quality
    return [
      "schema": 1, "float": .string(float.name), "float_digest": .string(float.digest),
      "float_bytes": .integer(float.weightsFileBytes), "float_path": .string(float.path),
      "quantized_path": .string(quantized.path),
      "quantized": .string(quantized.name), "quantized_digest": .string(quantized.digest),
      "first_image": .integer(images.lowerBound), "last_image": .integer(images.upperBound),
      "psnr": [
        "mean_decibels": quality.meanDecibels.map { .number($0) } ?? .null,
        "pooled_decibels": quality.pooled.value, "identical_pairs": .integer(quality.identicalCount),
        "images": .list(quality.images.map(\.value)),
      ],
      "ssim": [
        "mean": pairs.meanSimilarity.map { .number($0) } ?? .null,
        "window": .integer(StructuralSimilarity.windowSize(for: pairs.shape)),
        "images": .list(pairs.similarities.map { .number($0) }),
      ],
      "perceptual": measured.perceptual.map { perceptual in
        [
          "extractor": .string("\(perceptual.extractor)"), "mean": .number(perceptual.mean),
          "images": .list(perceptual.distances.map { .number($0) }),
        ]
      } ?? .null,
      "worst_first": .list(
        pairs.worstFirst.map { position in
          [
            "image": .integer(images.lowerBound + position), "ssim": .number(pairs.similarities[position]),
            "psnr": quality.images[position].value,
          ]
        }),
      "epsilon_snr": [
        "mean_decibels": meanDecibels(of: measured.errors).map { .number($0) } ?? .null,
        "steps": .list(
          zip(measured.steps, measured.errors).map {
            ["timestep": .number($0.timestep.value), "decibels": $1.ratio.value]
          }),
      ],
      "drift": .list(
        zip(measured.steps, measured.drift).map { step, drift in
          [
            "timestep": .number(step.timestep.value),
            "relative_squared_error": drift.relativeSquaredError.map { .number($0) } ?? .null,
          ]
        }),
      "latents": measured.latents.map { ["snr_decibels": $0.ratio.value] } ?? .null,
      "decoder": measured.decoder.map { decoder in
        [
          "mean_decibels": decoder.meanDecibels.map { .number($0) } ?? .null, "pooled_decibels": decoder.pooled.value,
          "latents": .integer(decoder.images.count),
        ]
      } ?? .null,
      "notes": .list(notes.map { .string($0) }),
    ]
  }

  private func printText(
    _ session: Session, _ quantized: ModelSource, _ measured: Measured, _ run: RunFolder
  ) throws {
    let pairs = measured.pairs
    let quality = pairs.quality
    var table = Table([("step", .right), ("timestep", .right), ("epsilon SNR, dB", .right), ("drift, %", .right)])
    for (position, step) in measured.steps.enumerated() {
      let drift = measured.drift[position].relativeSquaredError.map { fixed(100 * $0, 4) } ?? "undefined"
      table.add(["\(step.index)", "\(step.timestep)", measured.errors[position].ratio.text, drift])
    }
    try session.console.result(table.markdown)
    try session.console.result("\(quantized.name) against float on \(images.count) images at equal seeds")
    try session.console.result(
      "PSNR: mean \(quality.meanDecibels.map { fixed($0, 2) } ?? "identical") dB, of the mean error \(quality.pooled.text) dB"
        + (quality.identicalCount > 0 ? ", \(quality.identicalCount) pairs identical" : ""))
    let worst = pairs.worstFirst.prefix(Self.worstShown).map { position in
      "\(images.lowerBound + position) (\(fixed(pairs.similarities[position], 4)))"
    }
    try session.console.result(
      "SSIM: mean \(pairs.meanSimilarity.map { fixed($0, 4) } ?? "of no images"); least similar images: "
        + worst.joined(separator: ", "))
    if let perceptual = measured.perceptual {
      try session.console.result("\(perceptual.title): mean \(fixed(perceptual.mean, 6))")
    }
    try session.console.result(
      "epsilon SNR: mean over steps \(meanDecibels(of: measured.errors).map { fixed($0, 2) } ?? "identical") dB")
    if let latents = measured.latents {
      try session.console.result("latents: SNR \(latents.ratio.text) dB at the ends of trajectories")
    }
    if let decoder = measured.decoder {
      try session.console.result(
        "decoder by itself: PSNR \(decoder.shown) dB, on \(decoder.images.count) latents of the float model")
    }
    try session.console.result("grid (float above quantised): \(run.file("grid.png"))")
    try session.console.result("report: \(run.file("report.html")), \(run.file("report.json"))")
  }
}

/// Mean over steps of the decibels, steps without any deviation left out; nil when none deviates.
package func meanDecibels(of steps: [SignalToNoise]) -> Double? {
  let numbers = steps.compactMap(\.ratio.number)
  return numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
}

extension Decibels {
  /// For JSON: a number, or null when identical.
  package var value: ConfigurationValue { number.map { .number($0) } ?? .null }
  package var text: String { number.map { fixed($0, 2) } ?? "identical" }
}
