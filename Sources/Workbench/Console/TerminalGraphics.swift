import Formats
import Foundation
import Platform
import Tensors

/// How a terminal shows a picture.
package enum TerminalGraphics: String, Sendable, CaseIterable {
  /// By the protocol of the terminal called kitty: the file itself, in pieces.
  case kitty
  /// By the protocol of the terminal called iTerm2: the file itself.
  case iterm2
  /// By the sixels of DEC's terminals: bands six pixels high, a colour at a time.
  case sixel
  /// Two pixels in a character, the upper half in its own colour and the lower in that of its background; in letters where there are no
  /// colours.
  case blocks

  /// What a terminal can, by what it says of itself in the environment. Half blocks everywhere else.
  package init(environment: [String: String]) {
    let (term, program) = (environment["TERM"] ?? "", environment["TERM_PROGRAM"] ?? "")
    if environment["KITTY_WINDOW_ID"] != nil || term.contains("kitty") || program == "ghostty"
      || term.contains("ghostty")
    {
      self = .kitty
    } else if ["iTerm.app", "WezTerm"].contains(program) || environment["LC_TERMINAL"] == "iTerm2" {
      self = .iterm2
    } else if term.contains("sixel") || term == "mlterm" || term.hasPrefix("foot") {
      self = .sixel
    } else {
      self = .blocks
    }
  }

  /// Which colours a terminal has.
  package enum Colours: Sendable {
    case none, palette, all

    /// None where NO_COLOR is set to anything (no-color.org).
    package init(environment: [String: String]) {
      if environment["NO_COLOR"]?.isEmpty == false {
        self = .none
      } else {
        self = ["truecolor", "24bit"].contains(environment["COLORTERM"] ?? "") ? .all : .palette
      }
    }
  }

  /// What a terminal is sent to show an image. Grey images and those of three channels are shown; nil for others.
  /// - Parameters: file: the image as a PNG file; columns: of the terminal; colours: for half blocks.
  package func text(_ image: PixelImage, file: [UInt8], columns: Int, colours: Colours) -> String? {
    guard [1, 3].contains(image.channels) else { return nil }
    switch self {
    case .kitty: return Self.kitty(file)
    case .iterm2: return "\u{1B}]1337;File=inline=1;size=\(file.count):\(Data(file).base64EncodedString())\u{07}"
    case .sixel: return Sixels(image).text
    case .blocks: return HalfBlocks(image, columns: columns, colours: colours).text
    }
  }

  /// Base64 in pieces of the protocol's largest size; `m` says whether another follows.
  private static func kitty(_ file: [UInt8]) -> String {
    let letters = Array(Data(file).base64EncodedString().utf8)
    let size = 4096
    var text = ""
    for start in stride(from: 0, to: letters.count, by: size) {
      let end = min(start + size, letters.count)
      let more = end < letters.count ? 1 : 0
      let head = start == 0 ? "f=100,a=T,m=\(more)" : "m=\(more)"
      text += "\u{1B}_G\(head);\(String(decoding: letters[start..<end], as: UTF8.self))\u{1B}\\"
    }
    return text
  }
}
