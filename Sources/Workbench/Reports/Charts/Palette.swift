import Foundation

/// Colours of charts. Series have classes of the style sheet, which differ between light and dark; maps of numbers have colours
/// of their own, in an order that people who tell few colours apart see too.
package enum Palette {
  /// Series that can be told apart by colour; the next ones repeat them with another line.
  static let seriesCount = 8

  static func series(_ index: Int) -> String { "s\(index % seriesCount)" }
  static func dashes(_ index: Int) -> String? {
    [nil, "6 3", "2 3", "9 3 2 3"][index / seriesCount % 4]
  }

  /// From dark blue over green to yellow, evenly lighter: anchors of a sequential map.
  private static let sequentialAnchors: [(Double, Double, Double)] = [
    (0.07, 0.10, 0.28), (0.14, 0.27, 0.47), (0.12, 0.44, 0.50), (0.23, 0.60, 0.47), (0.52, 0.73, 0.36),
    (0.83, 0.82, 0.33), (0.99, 0.93, 0.58),
  ]
  /// Blue over white to orange.
  private static let divergingAnchors: [(Double, Double, Double)] = [
    (0.02, 0.19, 0.43), (0.26, 0.55, 0.80), (0.97, 0.97, 0.97), (0.93, 0.55, 0.20), (0.50, 0.18, 0.02),
  ]

  /// - Parameter share: 0 is the smallest value, 1 the largest.
  package static func sequential(_ share: Double) -> String {
    let (red, green, blue) = mixed(sequentialAnchors, share)
    return "#" + [red, green, blue].map(hexadecimal).joined()
  }

  /// Red, green and blue of a signed value. - Parameter share: -1 blue, 0 white, 1 orange.
  package static func diverging(_ share: Double) -> [UInt8] {
    let (red, green, blue) = mixed(divergingAnchors, (share + 1) / 2)
    return [red, green, blue].map(byte)
  }

  private static func mixed(_ anchors: [(Double, Double, Double)], _ share: Double) -> (Double, Double, Double) {
    let position = min(max(share.isNaN ? 0 : share, 0), 1) * Double(anchors.count - 1)
    let low = min(Int(position), anchors.count - 2)
    let part = position - Double(low)
    let (a, b) = (anchors[low], anchors[low + 1])
    return (a.0 + part * (b.0 - a.0), a.1 + part * (b.1 - a.1), a.2 + part * (b.2 - a.2))
  }

  private static func byte(_ share: Double) -> UInt8 { UInt8(min(max((share * 255).rounded(), 0), 255)) }

  private static func hexadecimal(_ share: Double) -> String {
    let text = String(byte(share), radix: 16)
    return text.count < 2 ? "0" + text : text
  }
}
