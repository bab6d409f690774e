import Evaluation
import Formats
import Graphs
import Tensors

/// What the demo found, as a table and as JSON.
package struct DemoReport: Sendable {
  package let model: String
  package let size: DemoSize
  package let steps: Int
  /// The float model first.
  package let rows: [VariantRow]
  package let kernels: String
  package let threads: Int

  package init(model: String, size: DemoSize, steps: Int, rows: [VariantRow], kernels: String, threads: Int) {
    self.model = model
    self.size = size
    self.steps = steps
    self.rows = rows
    self.kernels = kernels
    self.threads = threads
  }

  package var table: Table {
    var table = Table([
      ("model", .left), ("file", .right), ("in float", .right), ("ms per image and step", .right),
      ("Fréchet distance", .right),
      ("PSNR, dB", .right), ("epsilon SNR, dB", .right),
    ])
    let float = rows[0]
    for row in rows {
      let share = row.recipe == nil ? "" : " (\(fixed(Double(row.bytes) / Double(float.bytes), 3)))"
      let gain = row.recipe == nil ? "" : " (\(fixed(float.milliseconds / row.milliseconds, 2))x)"
      let snr = row.epsilonSNR.map { fixed($0, 1) } ?? ""
      table.add([
        row.title, shown(bytes: row.bytes) + share, row.inFloat, fixed(row.milliseconds, 2) + gain,
        fixed(row.distances[0].distance, 3), row.psnr, snr,
      ])
    }
    return table
  }

  /// What the table's figures are, below it.
  package var legend: String {
    """
    \(rows[0].distances[0].title), against the 10,000 Fashion-MNIST test images; N = \(size.comparison.images) images each, \
    \(steps) DDIM steps, equal seeds.
    Times: medians of \(size.comparison.timingRounds) interleaved rounds, \(kernels) kernels, \(threads) threads, \
    \(Machine.current.processor).
    In float: share of the multiplications that are not integer.
    PSNR: mean over \(size.comparison.images) pairs, in parentheses of their mean squared error, which the few images that \
    turn into others decide. Epsilon SNR: mean over steps, on the float model's states, \(size.comparison.comparedImages) images.
    """
  }

  package var value: ConfigurationValue {
    let machine = Machine.current
    return [
      "schema": 1, "model": .string(model), "metric": .string(rows[0].distances[0].title),
      "images": .integer(size.comparison.images),
      "steps": .integer(steps), "sampler": .string(size.sampler), "instruction_set": .string(kernels),
      "threads": .integer(threads), "processor": .string(machine.processor),
      "rows": .list(
        rows.map { row in
          [
            "title": .string(row.title), "recipe": row.recipe.map { .string($0) } ?? .null,
            "bytes": .integer(row.bytes), "float_share": .number(row.floatShare),
            "milliseconds_per_image_and_step": .number(row.milliseconds),
            "frechet_distance": .number(row.distances[0].distance),
            "psnr_pooled_decibels": row.pairs?.quality.pooled.value ?? .null,
            "psnr_mean_decibels": row.pairs?.quality.meanDecibels.map { .number($0) } ?? .null,
            "epsilon_snr_mean_decibels": row.epsilonSNR.map { .number($0) } ?? .null,
          ]
        }),
    ]
  }
}
