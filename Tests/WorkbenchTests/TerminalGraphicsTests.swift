import Formats
import Foundation
import Testing
import Workbench

/// Pictures on terminals: which way a terminal is sent them, and what it is sent.
@Suite struct TerminalGraphicsTests {
  private static let image = PixelImage(
    height: 2, width: 2, channels: 3, pixels: [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
  private static let grey = PixelImage(height: 2, width: 3, channels: 1, pixels: [0, 128, 255, 0, 128, 255])

  @Test func terminalsAreToldByTheirEnvironment() {
    let cases: [([String: String], TerminalGraphics)] = [
      (["TERM": "xterm-kitty"], .kitty), (["TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"], .kitty),
      (["TERM_PROGRAM": "iTerm.app"], .iterm2), (["TERM_PROGRAM": "WezTerm"], .iterm2),
      (["LC_TERMINAL": "iTerm2"], .iterm2), (["TERM": "foot"], .sixel), (["TERM": "xterm-sixel"], .sixel),
      (["TERM": "xterm-256color"], .blocks), ([:], .blocks),
    ]
    for (environment, expected) in cases { #expect(TerminalGraphics(environment: environment) == expected) }
  }

  @Test func halfBlocksHoldTwoPixels() throws {
    func text(_ image: PixelImage, _ colours: TerminalGraphics.Colours, columns: Int = 80) throws -> String {
      try #require(TerminalGraphics.blocks.text(image, file: [], columns: columns, colours: colours))
    }
    let escape = "\u{1B}["
    #expect(
      try text(Self.image, .all)
        == "\(escape)38;2;255;0;0;48;2;0;0;255m▀\(escape)38;2;0;255;0;48;2;255;255;255m▀\(escape)0m")
    #expect(
      try text(Self.image, .palette) == "\(escape)38;5;196;48;5;21m▀\(escape)38;5;46;48;5;231m▀\(escape)0m")
    // Without colours, letters from dark to light.
    #expect(try text(Self.grey, .none) == " =@")
    // A wide image is made as narrow as the terminal, by means.
    #expect(try text(Self.image, .all, columns: 1) == "\(escape)38;2;127;127;127;48;2;127;127;127m▀\(escape)0m")
  }

  @Test func noColourIsRespected() throws {
    let environment = ["NO_COLOR": "1", "COLORTERM": "truecolor"]
    let text = try #require(
      TerminalGraphics.blocks.text(Self.image, file: [], columns: 80, colours: .init(environment: environment)))
    #expect(!text.contains("\u{1B}"))
  }

  @Test func sixelsAreBandsOfColours() throws {
    let text = try #require(TerminalGraphics.sixel.text(Self.grey, file: [], columns: 80, colours: .all))
    #expect(text.hasPrefix("\u{1B}P0;1q\"1;1;3;2#0;2;0;0;0#1;2;0;0;20"))
    // Black, the grey of level 3 of 5, and white: two rows each, so bits 0 and 1, a colour at a time from the left.
    #expect(text.hasSuffix("#0B??$#129?B?$#215??B$-\u{1B}\\"))
  }

  @Test func filesAreSentWhole() throws {
    let file = (0..<10_000).map { UInt8($0 % 251) }
    let kitty = try #require(TerminalGraphics.kitty.text(Self.grey, file: file, columns: 80, colours: .all))
    let pieces = kitty.components(separatedBy: "\u{1B}\\").dropLast().map { $0.split(separator: ";", maxSplits: 1)[1] }
    #expect(pieces.count == 4 && pieces.dropLast().allSatisfy { $0.utf8.count == 4096 })
    #expect(Data(base64Encoded: pieces.joined()) == Data(file))
    #expect(kitty.hasPrefix("\u{1B}_Gf=100,a=T,m=1;") && kitty.contains("\u{1B}_Gm=0;"))
    let iterm = try #require(TerminalGraphics.iterm2.text(Self.grey, file: file, columns: 80, colours: .all))
    #expect(iterm == "\u{1B}]1337;File=inline=1;size=10000:\(Data(file).base64EncodedString())\u{07}")
  }

  @Test func imagesOfOtherChannelsAreNotShown() {
    let image = PixelImage(height: 1, width: 1, channels: 2, pixels: [1, 2])
    for way in TerminalGraphics.allCases {
      #expect(way.text(image, file: [], columns: 80, colours: .all) == nil)
    }
  }
}
