import Workbench

/// What options of a form of their own take, for messages about values that they do not.
enum ExpectedValues {
  private static let wholeNumber = "a whole number"

  /// By option.
  private static let texts = [
    "--grid": "rows x columns of 1 to \(GridShape.limit), as in 4x8",
    "--indices": "one index or first-last, ascending and below \(IndexRange.limit), as in 0-63",
    "--size": "height x width of 1 to 16384, as in 64x96",
    "--tile": "\(TileArgument.smallest) to \(TileArgument.largest), or whole",
    "--seed": "a whole number from 0 to \(UInt64.max)",
    "--time": "hours, minutes and seconds, more than none, as in 90s, 20m or 1h30m",
    "--labels": "classes from 0 on, as in 0,1,2",
    "--metrics": "names with commas between, of \(ScoreMetric.allCases.map(\.rawValue).joined(separator: ", "))",
    "--batch": "a whole number; of 'bench' several with commas between",
    "--steps": "a number of steps; of 'export' a range of them, as in 0-9",
    "--unconditional": "a row of the table of classes from 0 on, or none",
    "--step": wholeNumber, "--count": wholeNumber, "--shards": wholeNumber, "--memory": wholeNumber,
  ]

  /// The parser's message that a value is invalid, with what was expected.
  static func completed(_ message: String) -> String {
    guard message.contains("is invalid for '"),
      let option = texts.keys.first(where: { message.contains("for '\($0) ") })
    else { return message }
    return message + ": expected \(texts[option] ?? "")"
  }
}
