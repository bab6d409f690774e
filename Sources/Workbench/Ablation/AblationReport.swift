import Diffusion
import Evaluation
import Formats
import Tensors

/// What an ablation found, as tables and as JSON.
package struct AblationReport: Sendable {
  package let model: String
  package let sampler: String
  package let steps: [Step]
  package let size: VariantComparison.Size
  /// The float model first.
  package let rows: [VariantRow]
  package let kernels: String
  package let threads: Int
  /// The command line.
  package let command: String

  package init(
    model: String, sampler: String, steps: [Step], size: VariantComparison.Size, rows: [VariantRow], kernels: String,
    threads: Int, command: String
  ) {
    self.model = model
    self.sampler = sampler
    self.steps = steps
    self.size = size
    self.rows = rows
    self.kernels = kernels
    self.threads = threads
    self.command = command
  }

  package var text: String {
    [table.markdown, legend, "Epsilon SNR at each step, dB:", stepTable.markdown].joined(separator: "\n\n") + "\n"
  }

  package var table: Table {
    var table = Table(
      [
        ("recipe", .left), ("bytes", .right), ("in float", .right), ("quantised in", .right), ("peak memory", .right),
        ("epsilon SNR, dB", .right), ("PSNR, dB", .right), ("SSIM", .right), ("Fréchet distance", .right),
        ("over float", .right), ("ms per image", .right),
      ] + DecoderFigures.columns(of: rows))
    for row in rows {
      let excess = row.recipe == nil ? nil : row.excess(over: rows[0])
      table.add(
        [
          row.title, shown(bytes: row.bytes), row.inFloat, row.cost.map { "\(fixed($0.seconds, 1)) s" } ?? "",
          row.cost?.peakMemory.map { shown(bytes: $0) } ?? "", row.epsilonSNR.map { fixed($0, 1) } ?? "",
          row.psnr, row.pairs?.meanSimilarity.map { fixed($0, 4) } ?? "",
          row.distance.map { Self.spread($0, digits: 3) } ?? "",
          excess.map { Self.spread(($0.mean * 100, $0.deviation.map { $0 * 100 }), digits: 1) + " %" } ?? "",
          fixed(row.milliseconds * Double(steps.count), 1),
        ] + DecoderFigures.cells(of: row))
    }
    return table
  }

  private static func spread(_ value: (mean: Double, deviation: Double?), digits: Int) -> String {
    fixed(value.mean, digits) + (value.deviation.map { " ± \(fixed($0, digits))" } ?? "")
  }

  /// A line per sampling step, a column per recipe.
  private var stepTable: Table {
    let measured = rows.filter { $0.stepErrors != nil }
    var table = Table([("step", .right), ("timestep", .right)] + measured.map { ($0.title, .right) })
    for step in steps {
      table.add(
        ["\(step.index)", "\(step.timestep)"] + measured.map { $0.stepErrors?[step.index].ratio.text ?? "" })
    }
    return table
  }

  private var legend: String {
    let seeds = size.seeds.count == 1 ? "one seed" : "\(size.seeds.count) seeds, mean ± standard deviation"
    let metric = rows[0].distances.first.map { "\($0.title), N = \(size.images) images for each of \(seeds)." }
    return """
      \(metric ?? "No reference, so no distances; N = \(size.images) images for each of \(seeds).") Over float: \
      at equal seeds, d / d(float) - 1. \(sampler), \(steps.count) steps.
      PSNR and SSIM: mean over images, against the float model's at equal seeds; PSNR in parentheses: of the mean squared \
      error, which the few images that turn into others decide. Epsilon SNR: mean over steps, on the float model's states, \
      \(size.comparedImages) images.
      In float: share of the multiplications that are not integer. Quantised in: without the calibration set, which recipes share. ms per image: all steps; medians of \
      \(size.timingRounds) interleaved rounds, \(kernels) kernels, \(threads) threads, \(Machine.current.processor).\
      \(rows[0].decoding == nil ? "" : "\n" + DecoderFigures.legend)

      `\(command)`
      """
  }

  package var value: ConfigurationValue {
    [
      "schema": 1, "model": .string(model), "metric": rows[0].distances.first.map { .string($0.title) } ?? .null,
      "images": .integer(size.images), "seeds": .list(size.seeds.map { .integer(Int($0)) }),
      "compared_images": .integer(size.comparedImages), "sampler": .string(sampler),
      "timesteps": .list(steps.map { .number($0.timestep.value) }), "instruction_set": .string(kernels),
      "threads": .integer(threads), "processor": .string(Machine.current.processor), "command": .string(command),
      "rows": .list(rows.map(Self.value)),
    ]
  }

  private static func value(_ row: VariantRow) -> ConfigurationValue {
    func number(_ value: Double?) -> ConfigurationValue { value.map { .number($0) } ?? .null }
    return [
      "title": .string(row.title), "recipe": row.recipe.map { .string($0) } ?? .null, "bytes": .integer(row.bytes),
      "float_share": .number(row.floatShare),
      "quantization_seconds": number(row.cost?.seconds),
      "quantization_peak_memory": row.cost?.peakMemory.map { .integer($0) } ?? .null,
      "milliseconds_per_image_and_step": .number(row.milliseconds),
      "frechet_distances": .list(row.distances.map { .number($0.distance) }),
      "frechet_distance_mean": number(row.distance?.mean),
      "frechet_distance_deviation": number(row.distance?.deviation),
      "decoder_milliseconds_per_image": number(row.decoding?.milliseconds),
      "decoder_psnr_mean_decibels": number(row.decoding?.quality?.meanDecibels),
      "psnr_pooled_decibels": row.pairs?.quality.pooled.value ?? .null,
      "psnr_mean_decibels": number(row.pairs?.quality.meanDecibels), "ssim_mean": number(row.pairs?.meanSimilarity),
      "epsilon_snr_mean_decibels": number(row.epsilonSNR),
      "epsilon_snr_decibels": row.stepErrors.map { .list($0.map(\.ratio.value)) } ?? .null,
    ]
  }
}
