import Foundation
import Testing

/// Endings that have nothing to do with a network: usage, names, closed outputs.
@Suite struct UsageTests {
  let halftone = Launcher()

  @Test func presetsHavePaths() throws {
    let run = try halftone.run("list", "decoder-recipes", "--paths")
    #expect(run.status == 0, "\(run.errors)")
    let paths = run.output.split(separator: "\n").map(String.init)
    #expect(!paths.isEmpty && paths.allSatisfy { $0.hasSuffix(".yaml") && FileManager.default.fileExists(atPath: $0) })
    let refused = try halftone.run("list", "methods", "--paths")
    #expect(refused.status == 2)
    #expect(
      refused.errors.contains(
        "--paths needs a topic that stands in files: models, samplers, recipes or decoder-recipes"))
  }

  @Test func versionGoesToStandardOutput() throws {
    let finished = try halftone.run("--version")
    #expect(finished.status == 0)
    #expect(finished.output == "halftone 0.1.0\n")
    #expect(finished.errors == "")
  }

  @Test func helpShowsExamplesOnStandardOutput() throws {
    for command in [["--help"], ["sample", "--help"], ["help", "inspect"]] {
      let finished = try halftone.run(command)
      #expect(finished.status == 0)
      #expect(finished.output.contains("Examples:\n"))
      #expect(finished.errors == "")
    }
  }

  @Test(arguments: [
    (["--colour"], "Unknown option '--colour'"),
    (["sample"], "Missing expected argument '<model>'"),
    (
      ["sample", "m", "--indices", "5-1"],
      "The value '5-1' is invalid for '--indices <A-B>': expected one index or first-last, ascending and below 1099511627776, as in 0-63"
    ),
    (["sample", "m", "--count", "2", "--indices", "0-1"], "--count and --indices exclude each other"),
    (["sample", "m", "--count", "0"], "--count 0: expected 1 to 1099511627776"),
    (["sample", "m", "--batch", "0"], "--batch 0: expected 1 to 4096"),
    (["sample", "m", "--threads", "0"], "--threads 0: expected 1 to 1024"),
    (
      ["sample", "m", "--grid", "8"],
      "The value '8' is invalid for '--grid <RxC>': expected rows x columns of 1 to 256, as in 4x8"
    ),
    (["sample", "m", "--sede", "1"], "Unknown option '--sede'. Did you mean '--seed'?"),
    (["inspect"], "give a model, or --cpu"),
  ])
  func usageErrorsAreNamedAndHinted(_ arguments: [String], _ message: String) throws {
    let finished = try halftone.run(arguments)
    #expect(finished.status == 2)
    #expect(finished.output == "")
    #expect(finished.errors.hasPrefix("error[E-USAGE]: \(message)\nhint: Usage: halftone"), "\(finished.errors)")
  }

  @Test func unknownModelSuggestsTheNearest() throws {
    let finished = try halftone.run("inspect", "fashion-mnist-dppm")
    #expect(finished.status == 2)
    #expect(
      finished.errors.hasPrefix(
        "error[E-NOT-FOUND]: no model fashion-mnist-dppm: neither a path nor a name (did you mean fashion-mnist-ddpm?)\n"
      ))
  }

  @Test func unknownInstructionSetIsRefused() throws {
    var other = halftone
    other.environment["HALFTONE_ISA"] = "avx1024"
    let finished = try other.run("inspect", "--cpu")
    #expect(finished.status == 2)
    #expect(
      finished.errors.hasPrefix(
        "error[E-ISA]: HALFTONE_ISA is \"avx1024\", expected one of base, avx2, avxvnni, avx512vnni, amx\n"))
  }

  @Test func readerThatLeavesIsNoError() throws {
    // As in `halftone inspect … | head -1`: the pipe's other end is closed before the program writes.
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let finished = try halftone.run(["inspect", "fashion-mnist-ddpm"], output: pipe.fileHandleForWriting)
    #expect(finished.status == 0)
    #expect(finished.errors == "")
  }

  @Test func fullDeviceIsAResourceError() throws {
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    let finished = try halftone.run(["inspect", "fashion-mnist-ddpm"], output: full)
    #expect(finished.status == 5)
    #expect(finished.errors == "error[E-STDOUT]: standard output cannot be written: No space left on device\n")
  }
}
