import Diffusion
import Evaluation
import Formats
import Models
import Tensors

/// `compare`: a quantised model against its float model at equal seeds.
package struct CompareCommand: Sendable {
  package var float: String
  package var quantized: String
  package var sampler: String?
  package var images: ClosedRange<Int>
  package var seed: UInt64
  package var labels: LabelCycle?
  package var scheduler: String?
  package var out: String?
  package var threads: Int
  package var batch: Int
  package var json: Bool

  package init(
    float: String, quantized: String, sampler: String?, images: ClosedRange<Int>, seed: UInt64, labels: LabelCycle?,
    scheduler: String?, out: String?, threads: Int, batch: Int, json: Bool
  ) {
    self.float = float
    self.quantized = quantized
    self.sampler = sampler
    self.images = images
    self.seed = seed
    self.labels = labels
    self.scheduler = scheduler
    self.out = out
    self.threads = threads
    self.batch = batch
    self.json = json
  }

  private static let worstShown = 5

  package func run(_ session: Session) throws {
    let float = try ModelSource.open(float, scheduler: scheduler, assets: session.assets)
    let quantized = try ModelSource.open(quantized, assets: session.assets)
    try float.checkPair(with: quantized)
    let sampler = try quantized.sampler(named: sampler, assets: session.assets)
    let compute = try Compute(threads: threads, batch: batch)
    let plans = try [float, quantized].map {
      try SamplingPlan(source: $0, sampler: sampler, executor: $0.defaultExecutor, seed: seed, labels: labels)
    }
    let run = try RunFolder(
      out ?? joined("outputs", "compare-\(float.name)-\(quantized.name)-seed\(seed)"), command: "compare",
      identity: [
        "float": plans[0].identity(kernels: compute.kernels), "quantized": plans[1].identity(kernels: compute.kernels),
      ], arguments: session.arguments)

    let samplers = try plans.map { try $0.imageSampler(last: images.upperBound, compute: compute) }
    var stores: [ImageStore] = []
    for (position, title) in ["float", "quantized"].enumerated() {
      let store = plans[position].store(in: run, subfolder: title)
      _ = try samplers[position].draw(images, into: store, title: "sampling \(title)", session: session, log: run.log)
      stores.append(store)
    }
    let errors = StepErrors(float: samplers[0], quantized: [(quantized.name, samplers[1].denoiser)])
    let steps = try errors.measure(images, journal: run.file("steps.jsonl"), session: session)[0]
    let pairs = try stores[0].comparison(with: stores[1], images)
    try stores[0].writePairs(with: stores[1], images, to: run.file("grid.png"))
    let report = report(float, quantized, plans[0].steps, steps, pairs)
    try AtomicFile.write(JSONWriter.pretty(report), to: run.file("report.json"))
    if json { return try session.console.result(JSONWriter.compact(report)) }
    try printText(session, quantized, plans[0].steps, steps, pairs, run)
  }

  private func report(
    _ float: ModelSource, _ quantized: ModelSource, _ steps: [Step], _ errors: [SignalToNoise],
    _ pairs: PairedComparison
  ) -> ConfigurationValue {
    let quality = pairs.quality
    return [
      "schema": 1, "float": .string(float.name), "float_digest": .string(float.digest),
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
      "worst_first": .list(
        pairs.worstFirst.map { position in
          [
            "image": .integer(images.lowerBound + position), "ssim": .number(pairs.similarities[position]),
            "psnr": quality.images[position].value,
          ]
        }),
      "epsilon_snr": [
        "mean_decibels": meanDecibels(of: errors).map { .number($0) } ?? .null,
        "steps": .list(
          zip(steps, errors).map { ["timestep": .number($0.timestep.value), "decibels": $1.ratio.value] }),
      ],
    ]
  }

  private func printText(
    _ session: Session, _ quantized: ModelSource, _ steps: [Step], _ errors: [SignalToNoise],
    _ pairs: PairedComparison, _ run: RunFolder
  ) throws {
    let quality = pairs.quality
    var table = Table([("step", .right), ("timestep", .right), ("epsilon SNR, dB", .right)])
    for (step, error) in zip(steps, errors) {
      table.add(["\(step.index)", "\(step.timestep)", error.ratio.text])
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
    try session.console.result(
      "epsilon SNR: mean over steps \(meanDecibels(of: errors).map { fixed($0, 2) } ?? "identical") dB")
    try session.console.result("grid (float above quantised): \(run.file("grid.png"))")
    try session.console.result("report: \(run.file("report.json"))")
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
