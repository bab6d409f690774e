import Tensors
import Testing

/// Configurations made to be slow, or to be answered at length.
@Suite struct ConfigurationLimitTests {
  private func message(_ value: ConfigurationValue, _ read: (ConfigurationReader) -> Void) -> String {
    let reader = ConfigurationReader(value, file: "a")
    read(reader)
    do { try reader.finish() } catch { return error.message }
    return ""
  }

  @Test func unknownKeysAreCounted() {
    let entries = (0..<100_000).map { ConfigurationValue.Entry("channel\($0)", .integer($0)) }
    let started = ContinuousClock.now
    let text = message(.map(entries)) { reader in
      for key in ["channels", "layers", "steps"] { _ = reader.int(key, default: 1, in: 0...9) }
    }
    #expect(ContinuousClock.now - started < .seconds(3))
    let lines = text.split(separator: "\n")
    #expect(lines.count == 21 && lines[0] == "a: channel0: unknown key (did you mean \"channels\"?)")
    #expect(lines[20] == "  … and 99980 more")
  }

  @Test func longListsAreRefusedBeforeTheyAreRead() {
    let list = ConfigurationValue.list([ConfigurationValue](repeating: "x", count: 70_000))
    #expect(
      message(["steps": list]) { _ = $0.ints("steps", in: 0...9) }
        == "a: steps: a list of 70000, over the limit of 65536")
    #expect(message(["steps": list]) { _ = $0.maps("steps") } == "a: steps: a list of 70000, over the limit of 65536")
  }

  @Test func theFirstProblemsAreShown() {
    #expect(listed((1...3).map { "\($0)" }) == "1\n  2\n  3")
    #expect(listedLines((1...22).map { "\($0)" }).suffix(2) == ["20", "… and 2 more"])
  }
}
