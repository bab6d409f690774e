import Diffusion
import Evaluation
import Formats
import Graphs
import Tensors

/// What the demo found of one model, as a table and as JSON.
package struct DemoReport: Sendable {
  let part: DemoPart
  let sampler: any Sampler
  /// That the sampler takes.
  let steps: Int
  /// The float model first.
  let rows: [VariantRow]
  let kernels: String
  let threads: Int

  private var table: Table {
    var table = Table(
      [
        ("model", .left), ("file", .right), ("in float", .right), ("ms per image and call", .right),
        ("Fréchet distance", .right),
        ("PSNR, dB", .right), ("epsilon SNR, dB", .right),
      ] + DecoderFigures.columns(of: rows))
    let float = rows[0]
    for row in rows {
      let share = row.recipe == nil ? "" : " (\(fixed(Double(row.bytes) / Double(float.bytes), 3)))"
      let gain = row.recipe == nil ? "" : " (\(fixed(float.milliseconds / row.milliseconds, 2))x)"
      let snr = row.epsilonSNR.map { fixed($0, 1) } ?? ""
      table.add(
        [
          row.title, shown(bytes: row.bytes) + share, row.inFloat, fixed(row.milliseconds, 2) + gain,
          fixed(row.distances[0].distance, 3), row.psnr, snr,
        ] + DecoderFigures.cells(of: row))
    }
    return table
  }

  /// Heading, table, and what its figures are.
  var text: String {
    let size = part.size
    let latent =
      rows[0].decoding == nil
      ? "" : "\n\(DecoderFigures.legend) A call of the network is two images, with and without the class."
    return """
      ## \(part.title): \(part.model)

      \(table.markdown)

      \(rows[0].distances[0].title), against the 10,000 Fashion-MNIST test images; N = \(size.images) images each, \
      \(type(of: sampler).name), \(steps) steps, equal seeds.
      Times: medians of \(size.timingRounds) interleaved rounds, \(kernels) kernels, \(threads) threads, \
      \(Machine.current.processor).
      In float: share of the multiplications that are not integer.
      PSNR: mean over \(size.images) pairs, in parentheses of their mean squared error, which the few images that \
      turn into others decide. Epsilon SNR: mean over steps, on the float model's states, \(size.comparedImages) images.\(latent)

      """
  }

  var value: ConfigurationValue {
    let machine = Machine.current
    func number(_ value: Double?) -> ConfigurationValue { value.map { .number($0) } ?? .null }
    return [
      "model": .string(part.model), "subfolder": part.subfolder.map { .string($0) } ?? .null,
      "metric": .string(rows[0].distances[0].title),
      "images": .integer(part.size.images),
      "steps": .integer(steps), "sampler": sampler.configuration, "guidance": number(part.guidance.scale),
      "instruction_set": .string(kernels),
      "threads": .integer(threads), "processor": .string(machine.processor),
      "rows": .list(
        rows.map { row in
          [
            "title": .string(row.title), "recipe": row.recipe.map { .string($0) } ?? .null,
            "bytes": .integer(row.bytes), "float_share": .number(row.floatShare),
            "milliseconds_per_image_and_call": .number(row.milliseconds),
            "frechet_distance": .number(row.distances[0].distance),
            "psnr_pooled_decibels": row.pairs?.quality.pooled.value ?? .null,
            "psnr_mean_decibels": number(row.pairs?.quality.meanDecibels),
            "epsilon_snr_mean_decibels": number(row.epsilonSNR),
            "decoder_milliseconds_per_image": number(row.decoding?.milliseconds),
            "decoder_psnr_mean_decibels": number(row.decoding?.quality?.meanDecibels),
          ]
        }),
    ]
  }
}
