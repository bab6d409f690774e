import Testing
import Workbench

@Suite struct ConsoleTests {
  private func status(done: Double, rate: Double?) -> Progress.Status {
    Progress.Status(title: "sampling", unit: "images", done: done, total: 1000, rate: rate)
  }

  @Test func barShowsShareRateAndTimeLeft() {
    #expect(
      Progress.line(status(done: 250, rate: 12.5), columns: 79, drawsBar: true)
        == "sampling [=======                       ] 250/1000 images  12.5/s  1:00 left")
  }

  @Test func narrowTerminalDropsTheBarAndNeverWraps() {
    let line = Progress.line(status(done: 250, rate: 12.5), columns: 39, drawsBar: true)
    #expect(line == "sampling 250/1000 images  12.5/s  1:00")
    #expect(line.count <= 39)
  }

  @Test func finishedAndUnstartedWorkShowNoTimeLeft() {
    #expect(
      Progress.line(status(done: 1000, rate: 3), columns: 120, drawsBar: false) == "sampling 1000/1000 images  3.00/s")
    #expect(Progress.line(status(done: 0, rate: nil), columns: 120, drawsBar: false) == "sampling 0/1000 images")
  }

  @Test func figuresReadTheSameEverywhere() {
    #expect(fixed(0.31849, 3) == "0.318")
    #expect(fixed(.nan, 3) == "nan")
    #expect(shown(bytes: 999) == "999 bytes")
    #expect(shown(bytes: 10_958_700) == "10.96 MB")
    #expect(shown(count: 2_734_945) == "2,734,945")
    #expect(shown(count: -12) == "-12")
  }

  @Test func tableIsAlignedMarkdown() {
    var table = Table([("model", .left), ("bytes", .right)])
    table.add(["float", "10958700"])
    table.add(["a|b", "7"])
    #expect(
      table.markdown == """
        | model |    bytes |
        | ----- | -------: |
        | float | 10958700 |
        | a\\|b  |        7 |
        """)
  }

  @Test func commandsAreShownAsTheyWouldBeTyped() {
    #expect(shellCommand(["halftone", "sample", "my model", "it's", ""]) == "halftone sample 'my model' 'it'\\''s' ''")
  }
}
