/// Where layers stand in networks whose modules are named as in ermongroup/ddim: its U-Net, and CompVis's autoencoders, which come
/// from the same code.
struct DDIMModules {
  private(set) var places: [String: ModuleLayout.Place] = [:]
  private let block: [(String, String)]

  private static let attention = [
    ("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"),
  ]

  /// - Parameter shortcut: what the layer is called that fits a residual block's channels.
  init(shortcut: String) {
    block =
      ["norm1", "conv1", "norm2", "conv2"].map { ($0, $0) }
      + [("time_emb_proj", "temb_proj"), ("conv_shortcut", shortcut)]
  }

  /// The layers of `pairs`, ours and theirs, within a module.
  mutating func add(_ pairs: [(String, String)], _ canonical: String, _ stored: String) {
    for (ours, theirs) in pairs { places["\(canonical).\(ours)"] = .module("\(stored).\(theirs)") }
  }

  /// Residual blocks and attentions of one level.
  mutating func addLevel(_ canonical: String, _ stored: String, layers: Int) {
    for layer in 0..<layers {
      add(block, "\(canonical).resnets.\(layer)", "\(stored).block.\(layer)")
      add(Self.attention, "\(canonical).attentions.\(layer)", "\(stored).attn.\(layer)")
    }
  }

  /// The way down: levels from the highest resolution to the lowest.
  /// - Parameter prefix: what stands before the names of both, such as `encoder.`.
  mutating func addDown(_ prefix: String = "", levels: Int, layers: Int) {
    for level in 0..<levels {
      let (canonical, stored) = ("\(prefix)down_blocks.\(level)", "\(prefix)down.\(level)")
      addLevel(canonical, stored, layers: layers)
      add([("conv", "conv")], "\(canonical).downsamplers.0", "\(stored).downsample")
    }
  }

  /// The way up, which is numbered from the highest resolution, too.
  mutating func addUp(_ prefix: String = "", levels: Int, layers: Int) {
    for level in 0..<levels {
      let (canonical, stored) = ("\(prefix)up_blocks.\(levels - 1 - level)", "\(prefix)up.\(level)")
      addLevel(canonical, stored, layers: layers)
      add([("conv", "conv")], "\(canonical).upsamplers.0", "\(stored).upsample")
    }
  }

  /// The middle and the last normalisation.
  mutating func addMiddle(_ prefix: String = "") {
    add(block, "\(prefix)mid_block.resnets.0", "\(prefix)mid.block_1")
    add(Self.attention, "\(prefix)mid_block.attentions.0", "\(prefix)mid.attn_1")
    add(block, "\(prefix)mid_block.resnets.1", "\(prefix)mid.block_2")
    places["\(prefix)conv_norm_out"] = .module("\(prefix)norm_out")
  }
}
