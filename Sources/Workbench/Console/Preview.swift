import Formats
import Foundation
import Platform
import Tensors

/// Whether, and how, `--preview` shows a finished grid on the terminal.
package enum Preview: String, Sendable, CaseIterable {
  /// By what the terminal says of itself.
  case auto
  case kitty, iterm2, sixel, blocks

  private func graphics(_ environment: [String: String]) -> TerminalGraphics {
    TerminalGraphics(rawValue: rawValue) ?? TerminalGraphics(environment: environment)
  }

  /// Shows a picture where standard output is a terminal; elsewhere, and for pictures of other channels than one or three, says that it
  /// does not.
  /// - Parameters: image: the picture; file: where it stands as PNG.
  func show(_ image: PixelImage, file: String, console: Console) throws {
    let environment = ProcessInfo.processInfo.environment
    guard isatty(STDOUT_FILENO) == 1, environment["TERM"] != "dumb" else {
      return console.notes(["--preview shows nothing: standard output is no terminal"])
    }
    let bytes = try InputFile.contents(of: file, limit: 256 << 20)
    let text = graphics(environment).text(
      image, file: bytes, columns: Console.columns, colours: .init(environment: environment))
    guard let text else {
      return console.notes(["--preview shows images of one channel or three, and these have \(image.channels)"])
    }
    try console.result(text)
  }
}
