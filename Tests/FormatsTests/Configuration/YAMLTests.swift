import Formats
import Tensors
import TestSupport
import Testing

@Suite struct YAMLTests {
  private func parse(_ text: String) throws -> ConfigurationValue { try YAML.parse(Array(text.utf8), file: "r.yaml") }

  @Test func values() throws {
    let text = """
      # a recipe
      method: tfmq   # trailing comment
      bits: {weights: 4, activations: 8}
      list:
      - 1
      - -2.5
      - 1e3
      - .5
      - ~
      - true
      quoted: ["010", 'no', "1e3", "a\\tb"]
      words: [no, on, off, yes, y, 12:30, 1.2.3, 1_000, e3, "-", +, 2001-01-01]
      text: |
        two
        lines
      empty:
      """
    let value = try parse(text)
    #expect(value["method"] == "tfmq")
    #expect(value["bits"] == ["weights": 4, "activations": 8])
    #expect(value["list"] == [1, -2.5, 1000.0, 0.5, nil, true])
    #expect(value["quoted"] == ["010", "no", "1e3", "a\tb"])
    #expect(
      value["words"] == ["no", "on", "off", "yes", "y", "12:30", "1.2.3", "1_000", "e3", "-", "+", "2001-01-01"])
    #expect(value["text"] == "two\nlines\n")
    #expect(value["empty"] == .some(.null))
    guard case .map(let entries) = value else { return #expect(Bool(false)) }
    #expect(entries.map(\.key) == ["method", "bits", "list", "quoted", "words", "text", "empty"])
  }

  @Test func lineEndsAndByteOrderMark() throws {
    #expect(try parse("a: 1\r\nb: [x,\r\n  y]\r\n") == ["a": 1, "b": ["x", "y"]])
    #expect(try parse("\u{feff}a: 1\n") == ["a": 1])
    #expect(try parse("---\na: 1\n...\n") == ["a": 1])
  }

  @Test func numbers() throws {
    #expect(
      try parse("[0, -0, +7, 0.0, 10, 1., 9223372036854775808]") == [0, 0, 7, 0.0, 10, 1.0, 9223372036854775808.0])
    for text in ["010", "-010", "00", "0x1F", "0o17", "0b1", "01.5", "007e1"] {
      #expect(throws: FormatError.yaml("r.yaml", .leadingZero(text), TextPosition(line: 1, column: 4, byte: nil))) {
        try parse("a: \(text)")
      }
    }
    for text in [".inf", "-.INF", ".nan", "1e999"] {
      #expect(throws: FormatError.yaml("r.yaml", .number(text), TextPosition(line: 1, column: 4, byte: nil))) {
        try parse("a: \(text)")
      }
    }
  }

  @Test func messagesNameTheLine() {
    #expect(
      thrownError { _ = try parse("a: 1\nsteps: 050\n") }.map { "\($0)" }
        == """
        error[E-YAML-LEADING-ZERO]: r.yaml: line 2, column 8: 050 could be read as octal or as decimal
        hint: write the number without the leading zero, or quote it if it is a string
        """)
    #expect(
      thrownError { _ = try parse("a:\n\t- 1\n") }.map { "\($0)" }
        == "error[E-YAML-SYNTAX]: r.yaml: line 2, column 1: while scanning for the next token: found character that cannot start any token"
    )
  }
}
