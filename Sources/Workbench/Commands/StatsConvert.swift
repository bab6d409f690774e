import Evaluation
import Formats
import Tensors

/// `stats convert`: a statistics file in another program's layout.
package struct StatsConvertCommand: Sendable {
  package typealias Format = StatisticsFormat

  package var input: String
  package var format: Format
  package var out: String

  package init(input: String, format: Format, out: String) {
    self.input = input
    self.format = format
    self.out = out
  }

  package func run(_ session: Session) throws {
    let (archive, warnings) = try format.convert(StatisticsFiles.required(input), file: input)
    try NPZ.write(archive, to: out)
    for warning in warnings { session.console.note("warning: \(warning)") }
    try session.console.result("\(out): \(archive.names.joined(separator: ", ")) (\(format.rawValue))")
  }
}
