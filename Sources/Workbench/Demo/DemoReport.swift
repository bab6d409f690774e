import Evaluation
import Formats
import Models
import Tensors

/// What the demo found, as a table and as JSON.
package struct DemoReport: Sendable {
  package struct Row: Sendable {
    /// As the table calls it: "W4A8, TFMQ".
    package let title: String
    /// Recipe; nil for the float model.
    package let recipe: String?
    package let bytes: Int
    /// Per image and sampling step.
    package let milliseconds: Double
    package let frechet: FrechetDistance
    /// To the float model at equal seeds; nil for the float model.
    package let quality: PairedQuality?
    /// Mean over steps, dB.
    package let epsilonSNR: Double?

    package init(
      title: String, recipe: String?, bytes: Int, milliseconds: Double, frechet: FrechetDistance,
      quality: PairedQuality?, epsilonSNR: Double?
    ) {
      self.title = title
      self.recipe = recipe
      self.bytes = bytes
      self.milliseconds = milliseconds
      self.frechet = frechet
      self.quality = quality
      self.epsilonSNR = epsilonSNR
    }
  }

  package let model: String
  package let size: DemoSize
  package let steps: Int
  /// The float model first.
  package let rows: [Row]
  package let kernels: String
  package let threads: Int

  package init(model: String, size: DemoSize, steps: Int, rows: [Row], kernels: String, threads: Int) {
    self.model = model
    self.size = size
    self.steps = steps
    self.rows = rows
    self.kernels = kernels
    self.threads = threads
  }

  package var table: Table {
    var table = Table([
      ("model", .left), ("file", .right), ("ms per image and step", .right), ("Fréchet distance", .right),
      ("PSNR, dB", .right), ("epsilon SNR, dB", .right),
    ])
    let float = rows[0]
    for row in rows {
      let share = row.recipe == nil ? "" : " (\(fixed(Double(row.bytes) / Double(float.bytes), 3)))"
      let gain = row.recipe == nil ? "" : " (\(fixed(float.milliseconds / row.milliseconds, 2))x)"
      let psnr = row.quality.map(\.pooled.text) ?? ""
      let snr = row.epsilonSNR.map { fixed($0, 1) } ?? ""
      table.add([
        row.title, shown(bytes: row.bytes) + share, fixed(row.milliseconds, 2) + gain, fixed(row.frechet.distance, 3),
        psnr, snr,
      ])
    }
    return table
  }

  /// What the table's figures are, below it.
  package var legend: String {
    """
    \(rows[0].frechet.title), against the 10,000 Fashion-MNIST test images; N = \(size.images) images each, \
    \(steps) DDIM steps, equal seeds.
    Times: medians of \(size.timingRounds) interleaved rounds, \(kernels) kernels, \(threads) threads, \
    \(Machine.current.processor).
    PSNR: of the mean squared error over \(size.images) pairs. Epsilon SNR: mean over steps, on the float model's states, \
    \(size.comparedImages) images.
    """
  }

  package var value: ConfigurationValue {
    let machine = Machine.current
    return [
      "schema": 1, "model": .string(model), "metric": .string(rows[0].frechet.title), "images": .integer(size.images),
      "steps": .integer(steps), "sampler": .string(size.sampler), "instruction_set": .string(kernels),
      "threads": .integer(threads), "processor": .string(machine.processor),
      "rows": .list(
        rows.map { row in
          [
            "title": .string(row.title), "recipe": row.recipe.map { .string($0) } ?? .null,
            "bytes": .integer(row.bytes), "milliseconds_per_image_and_step": .number(row.milliseconds),
            "frechet_distance": .number(row.frechet.distance),
            "psnr_pooled_decibels": row.quality?.pooled.value ?? .null,
            "psnr_mean_decibels": row.quality?.meanDecibels.map { .number($0) } ?? .null,
            "epsilon_snr_mean_decibels": row.epsilonSNR.map { .number($0) } ?? .null,
          ]
        }),
    ]
  }
}
