import Testing
import Workbench

@Suite struct ArgumentsTests {
  @Test func indexRangesIncludeBothEnds() {
    #expect(IndexRange("0-49999")?.bounds == 0...49999)
    #expect(IndexRange("7")?.bounds == 7...7)
    #expect(IndexRange("3-9")?.description == "3-9")
  }

  @Test(arguments: ["", "-", "5-", "-5", "5-4", "1-2-3", "a-b", "+1-2", "1-9999999999999", "0x1-2", " 1-2", "٣-٤"])
  func otherTextIsNoRange(_ text: String) { #expect(IndexRange(text) == nil) }

  @Test func defaultGridIsNearlySquare() {
    #expect(GridShape(showing: 64) == GridShape(rows: 8, columns: 8))
    #expect(GridShape(showing: 10) == GridShape(rows: 3, columns: 4))
    #expect(GridShape(showing: 1) == GridShape(rows: 1, columns: 1))
    #expect(GridShape(showing: 5000) == GridShape(rows: 10, columns: 10))
  }

  @Test(arguments: ["", "8", "8x", "x8", "0x3", "3x257", "3x-1", "8x8x8"])
  func otherTextIsNoGrid(_ text: String) { #expect(GridShape(text) == nil) }

  @Test func labelsCycleOverGlobalIndices() {
    let cycle = LabelCycle("3,1,4")
    #expect([0, 1, 2, 3, 1000].map { cycle!.label(of: $0) } == [3, 1, 4, 3, 1])
    #expect(LabelCycle("") == nil)
    #expect(LabelCycle("1,,2") == nil)
    #expect(LabelCycle("-1") == nil)
  }
}

@Suite struct WorkTimeTests {
  @Test(
    "hours, minutes and seconds, the longest first",
    arguments: [("90s", 90), ("20m", 1200), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661)])
  func read(text: String, seconds: Int) { #expect(WorkTime(text)?.seconds == seconds) }

  @Test("anything else is no time", arguments: ["", "20", "m", "20x", "30m1h", "1m1m", "-5m", "0s", "1 h", "9999999s"])
  func refused(text: String) { #expect(WorkTime(text) == nil) }
}
