import Formats

/// An image as sixels: bands of six rows, of each colour that a band has a line of characters whose bits are its pixels, runs counted.
struct Sixels {
  private let image: PixelImage

  /// Levels of each of red, green and blue.
  private static let levels = 6

  init(_ image: PixelImage) { self.image = image }

  var text: String {
    // Pixels are square, and what is not drawn stays as it is.
    var text = "\u{1B}P0;1q\"1;1;\(image.width);\(image.height)"
    for colour in 0..<(Self.levels * Self.levels * Self.levels) {
      let parts = [colour / 36, colour / 6 % 6, colour % 6].map { "\($0 * 100 / (Self.levels - 1))" }
      text += "#\(colour);2;" + parts.joined(separator: ";")
    }
    for top in stride(from: 0, to: image.height, by: 6) {
      let band = self.band(top)
      for colour in band.keys.sorted() {
        text += "#\(colour)" + Self.counted(band[colour] ?? []) + "$"
      }
      text += "-"
    }
    return text + "\u{1B}\\"
  }

  /// By colour, the six bits of each column of a band.
  private func band(_ top: Int) -> [Int: [UInt8]] {
    var band: [Int: [UInt8]] = [:]
    for row in top..<min(top + 6, image.height) {
      for column in 0..<image.width {
        band[colour(row, column), default: [UInt8](repeating: 0, count: image.width)][column] |= 1 << (row - top)
      }
    }
    return band
  }

  private func colour(_ row: Int, _ column: Int) -> Int {
    let start = (row * image.width + column) * image.channels
    let levels = image.pixels[start..<(start + image.channels)].map { (Int($0) * (Self.levels - 1) + 127) / 255 }
    return levels.count == 1 ? levels[0] * 43 : levels[0] * 36 + levels[1] * 6 + levels[2]
  }

  /// Runs of four and more as a count and the character.
  private static func counted(_ bits: [UInt8]) -> String {
    var text = ""
    var start = 0
    while start < bits.count {
      var end = start
      while end < bits.count, bits[end] == bits[start] { end += 1 }
      let letter = String(UnicodeScalar(63 + bits[start]))
      text += end - start > 3 ? "!\(end - start)\(letter)" : String(repeating: letter, count: end - start)
      start = end
    }
    return text
  }
}
