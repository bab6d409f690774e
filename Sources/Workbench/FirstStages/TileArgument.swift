import Execution
import Networks
import Tensors

/// How large the pieces are that a first stage works on, as `--tile` says it: latents of a tile's side, or `whole`.
package enum TileArgument: Sendable, Equatable {
  case whole
  case side(Int)

  /// Latents that a first stage takes at once when nothing is said: 512 pixels where a latent stands for 8.
  static let standard = 64
  /// Neighbouring tiles share a quarter of their sides.
  private static let overlaps = 4
  package static let smallest = 8
  package static let largest = 1 << 14

  package init?(_ text: String) {
    if text == "whole" {
      self = .whole
    } else if let side = Int(text), (Self.smallest...Self.largest).contains(side) {
      self = .side(side)
    } else {
      return nil
    }
  }

  /// - Parameters: argument: nil for the standard; latent: the latents' height and width.
  static func geometry(_ argument: TileArgument?, latent: SampleSize) -> TileGeometry {
    switch argument {
    case .whole: TileGeometry(size: max(latent.height, latent.width), overlap: 0)
    case .side(let side): TileGeometry(size: side, overlap: side / overlaps)
    case nil: TileGeometry(size: standard, overlap: standard / overlaps)
    }
  }

  /// Height and width of the largest pieces that are worked on, where nothing is said.
  static func pieceSize(_ argument: TileArgument? = nil, latent: SampleSize) -> SampleSize {
    let size = geometry(argument, latent: latent).size
    return SampleSize(height: min(size, latent.height), width: min(size, latent.width))
  }

  /// What decides the values of results: the tiles of latents; null where they are worked on as a whole.
  static func identity(_ argument: TileArgument?, latent: SampleSize) -> ConfigurationValue {
    let geometry = geometry(argument, latent: latent)
    guard max(latent.height, latent.width) > geometry.size else { return .null }
    return ["size": .integer(geometry.size), "overlap": .integer(geometry.overlap)]
  }
}
