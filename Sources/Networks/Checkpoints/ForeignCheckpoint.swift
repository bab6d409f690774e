import Tensors

/// Kinds of weight files that people have and that hold no U-Net: recognised to be refused by name.
struct ForeignCheckpoint {
  let text: String

  /// nil when the file is none of these.
  init?(_ source: any WeightSource) {
    let names = source.entries.map(\.name)
    func has(prefix: String) -> Bool { names.contains { $0.hasPrefix(prefix) } }
    func has(part: String) -> Bool { names.contains { $0.contains(part) } }
    if has(prefix: "down_blocks."), has(prefix: "conv_in.") {
      text = "a network of diffusers, whose config.json must stand beside it: give the folder"
    } else if has(prefix: "text_model.") || has(prefix: "transformer.resblocks.") {
      text = "a text encoder, which draws no images by itself"
    } else if has(prefix: "first_stage_model.") || (has(prefix: "encoder.") && has(prefix: "decoder.")) {
      text = "an autoencoder, which draws no images by itself"
    } else if has(prefix: "input_blocks."), !has(prefix: "output_blocks.") {
      text = "a classifier of guided-diffusion, which draws no images by itself"
    } else if has(part: "exp_avg") {
      text = "the state of an optimiser, not weights"
    } else {
      return nil
    }
  }
}
