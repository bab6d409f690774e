import Foundation
import TestSupport
import Testing

/// A short form of `make torture`: a few random SIGKILLs, failing calls, limits and full disks of each command. Every run must end with the
/// bits of the undisturbed one or a named refusal.
@Suite(.serialized) struct TortureTests {
  @Test(
    "commands that are disturbed lose nothing",
    arguments: [
      ("sample", "kills,calls,killed-calls,memory,limits,disk,writers,clock,moves"),
      ("stats", "kills,calls,disk,writers"),
      ("quantize", "kills,killed-calls"), ("gather", "kills"),
    ])
  func disturbed(_ command: String, _ cases: String) throws {
    let program = Launcher.program.deletingLastPathComponent().appending(path: "halftone-torture")
    let options = ["--kills", "2", "--calls", "1", "--points", "1", "--commands", command, "--cases", cases]
    let finished = try Launcher().start(options, program: program).wait()
    #expect(finished.status == 0, "\(finished.output)\(finished.errors)")
  }
}
