import Formats
import Tensors
import TestSupport
import Testing

@Suite struct JSONTests {
  private func parse(_ text: String) throws -> ConfigurationValue { try JSON.parse(Array(text.utf8), file: "c.json") }

  @Test func values() throws {
    let text =
      #" {"a": [1, -2, 0, 1.0, 1e3, -0, 2.5E-1], "b": {"c": null, "d": [true, false]}, "é\u00e9\ud83d\ude00": "\n\"\/"} "#
    #expect(
      try parse(text) == [
        "a": [1, -2, 0, 1.0, 1000.0, -0.0, 0.25], "b": ["c": nil, "d": [true, false]], "éé😀": "\n\"/",
      ])
    #expect(try parse("9223372036854775807") == .integer(.max))
    #expect(try parse("9223372036854775808") == .number(9223372036854775808))
  }

  @Test func writing() throws {
    let value: ConfigurationValue = [
      "name": "tab\t, quote \", bell \u{7}", "list": [1, 2.5, nil], "maps": [["k": []], [:]], "tiny": 1e-300,
      "third": .number(1.0 / 3.0),
    ]
    #expect(
      JSONWriter.compact(value)
        == #"{"name":"tab\t, quote \", bell \u0007","list":[1,2.5,null],"maps":[{"k":[]},{}],"tiny":1e-300,"third":0.3333333333333333}"#
    )
    #expect(
      JSONWriter.pretty(value) == #"""
        {
          "name": "tab\t, quote \", bell \u0007",
          "list": [1, 2.5, null],
          "maps": [
            {
              "k": []
            },
            {}
          ],
          "tiny": 1e-300,
          "third": 0.3333333333333333
        }

        """#)
    #expect(try parse(JSONWriter.compact(value)) == value)
    #expect(try parse(JSONWriter.pretty(value)) == value)
    #expect(JSONWriter.compact([.number(.infinity), .number(.nan)]) == "[null,null]")
  }

  @Test func doublesSurviveTheRoundTrip() throws {
    var random = SplitMix64(1)
    for _ in 0..<10_000 {
      let double = Double(bitPattern: random.next())
      guard double.isFinite else { continue }
      let read = try parse(JSONWriter.compact(.number(double)))
      #expect(read == .number(double))
    }
  }

  @Test func readsTheGoldenConfigurations() throws {
    let config = try JSON.read(Fixtures.golden("unet-ddpm/config.json"))
    #expect(config["_class_name"] == "UNet2DModel")
  }
}
