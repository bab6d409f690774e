import Evaluation
import Formats
import Tensors

/// `stats convert`: a statistics file in another program's layout.
package struct StatsConvertCommand: Sendable {
  package typealias Format = StatisticsFormat

  /// Statistics in any layout, or features.
  package var input: String
  /// Statistics of the same images' spatial features, for the layout that has a place for them.
  package var spatial: String?
  package var format: Format
  package var out: String

  package init(input: String, spatial: String? = nil, format: Format, out: String) {
    self.input = input
    self.spatial = spatial
    self.format = format
    self.out = out
  }

  package func run(_ session: Session) throws {
    if spatial != nil && format != .adm { throw ScoreError.spatialFormat(format) }
    try OutputPlace.check([out], inputs: [input, spatial].compactMap(\.self))
    var main = try StatisticsFiles.required(input, console: session.console)
    if let spatial {
      main = try format.joining(
        main, file: input, spatial: StatisticsFiles.required(spatial, console: session.console), file: spatial)
    }
    let (archive, warnings) = try format.convert(main, file: input)
    try NPZ.write(archive, to: out)
    for warning in warnings { session.console.warn("\(warning)") }
    try session.console.result("\(out): \(archive.names.joined(separator: ", ")) (\(format.rawValue))")
  }
}
