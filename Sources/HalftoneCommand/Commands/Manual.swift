import ArgumentParser
import Workbench

/// `__manual`: the manual page, in the language of mdoc(7), made of what `--help` says. `make install` writes it.
struct Manual: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "__manual", abstract: "Print the manual page.", shouldDisplay: false)

  func run() throws { try Console().result(Self.page) }

  /// Columns of the texts: what stands in a page's literal block.
  private static let columns = 76

  static var page: String {
    let commands = Halftone.configuration.subcommands.filter { $0.configuration.shouldDisplay }
    var lines = [
      ".Dd $Mdocdate$", ".Dt HALFTONE 1", ".Os", ".Sh NAME", ".Nm halftone",
      ".Nd \(escaped(Halftone.configuration.abstract))", ".Sh SYNOPSIS", ".Nm", ".Ar command", ".Op Ar options",
      ".Sh DESCRIPTION",
    ]
    lines += literal(Halftone.helpMessage(columns: columns))
    lines.append(".Sh COMMANDS")
    for command in commands {
      lines.append(".Ss \(command._commandName)")
      lines += literal(Halftone.helpMessage(for: command, columns: columns))
    }
    lines += [
      ".Sh EXIT STATUS", "0 done; 1 a check failed; 2 usage; 3 a refused input; 4 a conflict; 5 out of disk or memory;",
    ]
    lines += ["75, 129, 130, 143 stopped, and the same command goes on; 70 a defect of the program."]
    return lines.joined(separator: "\n")
  }

  /// A text as it stands.
  private static func literal(_ text: String) -> [String] {
    [".Bd -literal"] + text.split(separator: "\n", omittingEmptySubsequences: false).map { escaped(String($0)) } + [
      ".Ed"
    ]
  }

  /// Backslashes and leading dots and quotes mean something to a formatter.
  private static func escaped(_ line: String) -> String {
    let text = line.replacing("\\", with: "\\e")
    return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
  }
}
