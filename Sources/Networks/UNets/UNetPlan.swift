import Graphs
import Tensors

/// What a U-Net of the DDPM line (Ho et al. 2020, App. B) consists of, whichever program's configuration describes it. Each
/// family translates its configuration into a plan, and one builder turns plans into graphs, so that the same network has
/// the same graph and the same names whoever wrote its checkpoint.
package struct UNetPlan: Sendable, Equatable {
  /// How a level ends in the next one's resolution.
  package enum Resampling: Sendable {
    /// A strided convolution down, nearest copies and a convolution up.
    case convolution
    /// A residual block that resamples both its branches.
    case residualBlock
    /// The mean of 2x2 blocks down, nearest copies up: no weights.
    case plain
  }

  package struct Level: Sendable, Equatable {
    package var channels: Int
    /// Residual blocks on the way down; one more on the way up.
    package var layers: Int
    /// After each residual block on the way down, and on the way up; nil for none.
    package var downAttention: AttentionStyle?
    package var upAttention: AttentionStyle?
    package var downsampling: Resampling
    package var upsampling: Resampling
  }

  package struct Middle: Sendable, Equatable {
    /// nil: no attention between the two residual blocks.
    package var attention: AttentionStyle?
    /// What the outputs of its blocks are divided by.
    package var divisor: Double
  }

  /// The tokens that transformers look at.
  package struct Context: Sendable, Equatable {
    package var tokens: Int
    /// Channels of each.
    package var width: Int

    package init(tokens: Int, width: Int) {
      self.tokens = tokens
      self.width = width
    }
  }

  /// How the timestep becomes a vector.
  package enum TimeProjection: Sendable, Equatable {
    case sinusoidal(SinusoidalEmbedding)
    /// Random Fourier features of its logarithm, sines first.
    case fourier(count: Int)
    case learned(rows: Int, width: Int)
  }

  package var inChannels: Int
  package var outChannels: Int
  /// Maps the input from [0, 1] to [-1, 1] first.
  package var centersInput = false
  package var timeProjection: TimeProjection
  /// Width of the time embedding.
  package var embeddingWidth: Int
  package var classEmbedding: UNet2DConfiguration.ClassEmbedding?
  /// nil: the network takes none.
  package var context: Context?
  package var style: ResidualStyle
  /// Channels of the first convolution's result.
  package var stemChannels: Int
  /// From the highest resolution to the lowest.
  package var levels: [Level]
  /// nil: the way up follows the way down at once.
  package var middle: Middle?
  /// Zero rows and columns above and left of a strided convolution; there is one below and right.
  package var downsamplePadding: Int

  /// Why a network of so many levels cannot work on images of `size`, or nil when it can: every level but the last halves
  /// height and width.
  package static func sizeProblem(_ size: SampleSize, levels: Int) -> String? {
    let multiple = 1 << (levels - 1)
    guard size.height % multiple != 0 || size.width % multiple != 0 else { return nil }
    return "\(size) is not divisible by \(multiple): \(levels) levels halve height and width \(levels - 1) times"
  }
}
