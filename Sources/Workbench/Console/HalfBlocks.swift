import Formats

/// An image as characters of a terminal, two pixels one above the other in each.
struct HalfBlocks {
  private let image: PixelImage
  private let colours: TerminalGraphics.Colours
  private let width: Int
  private let height: Int

  /// From dark to light, where there are no colours.
  private static let greys = Array(" .:-=+*#%@")

  /// - Parameter columns: that the image may take; a wider one is made smaller.
  init(_ image: PixelImage, columns: Int, colours: TerminalGraphics.Colours) {
    self.image = image
    self.colours = colours
    width = min(image.width, max(columns, 1))
    height = max(image.height * width / image.width, 1)
  }

  var text: String {
    var lines: [String] = []
    for row in stride(from: 0, to: height, by: 2) {
      var line = ""
      var last = ""
      for column in 0..<width {
        let upper = pixel(row, column)
        let lower = row + 1 < height ? pixel(row + 1, column) : upper
        guard colours != .none else {
          let grey = (Self.grey(upper) + Self.grey(lower)) / 2
          line.append(Self.greys[grey * (Self.greys.count - 1) / 255])
          continue
        }
        let colour = "\u{1B}[38;\(code(upper));48;\(code(lower))m"
        line += (colour == last ? "" : colour) + "\u{2580}"
        last = colour
      }
      lines.append(colours == .none ? line : line + "\u{1B}[0m")
    }
    return lines.joined(separator: "\n")
  }

  /// Red, green and blue of a place of the smaller image: the mean of the pixels that it stands for.
  private func pixel(_ row: Int, _ column: Int) -> [UInt8] {
    let rows = (row * image.height / height)..<max((row + 1) * image.height / height, row * image.height / height + 1)
    let columns =
      (column * image.width / width)..<max((column + 1) * image.width / width, column * image.width / width + 1)
    let means = (0..<image.channels).map { channel in
      let sum = rows.reduce(0) { sum, y in
        sum + columns.reduce(0) { $0 + Int(image.pixels[(y * image.width + $1) * image.channels + channel]) }
      }
      return UInt8(sum / (rows.count * columns.count))
    }
    return means.count == 1 ? [means[0], means[0], means[0]] : means
  }

  /// Luma of ITU-R BT.601, in whole numbers.
  private static func grey(_ pixel: [UInt8]) -> Int {
    (299 * Int(pixel[0]) + 587 * Int(pixel[1]) + 114 * Int(pixel[2])) / 1000
  }

  /// A colour as a terminal takes it: all of it, or the nearest of 6x6x6 colours and 24 greys of the palette of 256.
  private func code(_ pixel: [UInt8]) -> String {
    if colours == .all { return "2;\(pixel[0]);\(pixel[1]);\(pixel[2])" }
    if pixel[0] == pixel[1], pixel[1] == pixel[2] {
      // The greys begin at 8 and are 10 apart; black and white stand in the cube.
      let level = Int(pixel[0])
      return "5;\(level < 4 ? 16 : level > 246 ? 231 : 232 + min((level - 3) / 10, 23))"
    }
    let steps = pixel.map { Int($0) < 48 ? 0 : Int($0) < 115 ? 1 : (Int($0) - 35) / 40 }
    return "5;\(16 + 36 * steps[0] + 6 * steps[1] + steps[2])"
  }
}
