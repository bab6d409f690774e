import Testing

@Suite struct UsageTests {
  let halftone = Launcher()

  @Test func versionGoesToStandardOutput() throws {
    let finished = try halftone.run("--version")
    #expect(finished.status == 0)
    #expect(finished.output == "halftone 0.1.0\n")
    #expect(finished.errors == "")
  }

  @Test func unknownFlagIsUsageError() throws {
    let finished = try halftone.run("--colour")
    #expect(finished.status == 2)
    #expect(finished.output == "")
    #expect(finished.errors.hasPrefix("error[E-USAGE]: Unknown option '--colour'\nhint: Usage: halftone"))
  }
}
