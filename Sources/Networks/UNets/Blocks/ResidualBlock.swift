import Graphs
import Tensors

/// What all residual blocks of a network share.
package struct ResidualStyle: Sendable, Equatable {
  package var groups: Int
  package var epsilon: Float
  package var activation: Activation
  package var timeScaleShift: UNet2DConfiguration.TimeScaleShift
  /// Side of the kernel that fits the residual branch to other channels: 1, or 3 in networks of `conv_shortcut`.
  package var shortcutKernel = 1
}

/// A change of resolution inside a residual block, applied to both branches.
enum BlockResampling {
  case none, halve, double
}

extension GraphBuilder {
  /// Residual block of the DDPM U-Net (Ho et al. 2020, App. B); with scale and shift as in Dhariwal & Nichol 2021,
  /// section 3.1. x: C H W, temb: E. Returns `out` channels, at half or double size when it resamples.
  /// - Parameters: temb: nil in networks without time; divisor: what the sum of both branches is divided by
  ///   (`output_scale_factor`).
  mutating func residualBlock(
    _ name: String, _ x: Value, temb: Value?, out: Int, style: ResidualStyle, resampling: BlockResampling = .none,
    divisor: Double = 1, kind: Region.Kind = .residualBlock
  ) -> Value {
    region(name, kind) { g in
      var h = g.groupNorm("norm1", x, groups: style.groups, epsilon: style.epsilon)
      h = g.resample(g.activation("act1", h, style.activation), resampling)
      h = g.conv2d("conv1", h, out: out)
      let feature = temb.map { g.activation("time_act", $0, style.activation) }
      switch (style.timeScaleShift, feature) {
      case (_, nil): h = g.groupNorm("norm2", h, groups: style.groups, epsilon: style.epsilon)
      case (.add, let feature?):
        h = g.addPerChannel("add_time", h, g.linear("time_emb_proj", feature, out: out))
        h = g.groupNorm("norm2", h, groups: style.groups, epsilon: style.epsilon)
      case (.scaleShift, let feature?):
        let scaleShift = g.linear("time_emb_proj", feature, out: 2 * out)
        h = g.groupNorm("norm2", h, groups: style.groups, epsilon: style.epsilon)
        h = g.scaleShift("scale_shift", h, scaleShift)
      }
      h = g.conv2d("conv2", g.activation("act2", h, style.activation), out: out)
      var skip = g.resample(x, resampling)
      if g.channels(of: x) != out { skip = g.conv2d("conv_shortcut", skip, out: out, kernel: style.shortcutKernel) }
      return g.divide(g.add("add", skip, h), by: divisor)
    }
  }

  private mutating func resample(_ x: Value, _ resampling: BlockResampling) -> Value {
    switch resampling {
    case .none: x
    case .halve: averagePool("pool", x)
    case .double: upsampleNearest("upsample", x)
    }
  }

  mutating func divide(_ x: Value, by divisor: Double) -> Value {
    divisor == 1 ? x : affine("rescale", x, scale: Float(1 / divisor))
  }
}
