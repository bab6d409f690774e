import Formats
import Foundation
import TestSupport
import Testing

/// What a process may find when it starts (closed descriptors, limits, odd names), and what it must not leave behind.
@Suite struct ProcessTests {
  let halftone = Launcher()
  private static let model = "fashion-mnist-ddpm"

  private func sample(_ folder: String, _ options: String = "--count 1") -> String {
    "sample \(Self.model) --sampler ddim-10 --out \(folder) \(options)"
  }

  private func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  @Test(arguments: ["<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
  func closedDescriptorsAreNobodysFiles(_ closed: String) throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    #expect(try halftone.shell("$halftone \(sample(run)) \(closed)").wait().status == 0)
    let log = try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8)
    for line in log.split(separator: "\n") {
      #expect(throws: Never.self) { try JSON.parse(Array(line.utf8), file: "log") }
    }
    // A set is read by a child process, on a socket that must not get a standard descriptor's number.
    let set = temporary.file("set.h5")
    let line = "$halftone calibrate \(Self.model) --recipe \(try tinyRecipe(temporary)) --out \(set) \(closed)"
    #expect(try halftone.shell(line).wait().status == 0)
    #expect(FileManager.default.fileExists(atPath: set))
  }

  /// A recipe whose calibration set is small.
  private func tinyRecipe(_ temporary: TemporaryFolder) throws -> String {
    let shipped = Launcher.checkout.appending(path: "calib/rtn-w8a8.yaml")
    let text = try String(contentsOf: shipped, encoding: .utf8)
      .replacing(/trajectories: *\d+/) { _ in "trajectories: 1" }.replacing(/sampler: *\S+/) { _ in "sampler: ddim-10" }
      .replacing(/batch: *\d+/) { _ in "batch: 1" }
    let path = temporary.file("tiny.yaml")
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    return path
  }

  @Test func aLimitOnFilesIsAnError() throws {
    let temporary = try TemporaryFolder()
    let input = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm/io.npz").path
    let out = temporary.file("y.npz")
    let finished = try halftone.shell("ulimit -f 1; $halftone predict \(Self.model) -q --input \(input) --out \(out)")
      .wait()
    #expect(finished.status == 5)
    #expect(
      finished.errors == """
        error[E-IO-LIMIT]: \(out): larger than this process or this file system may write into one file
        hint: raise the limit with 'ulimit -f'

        """)
    #expect(names(in: temporary.path).isEmpty)
    // libhdf5 fails in its own way, and must not try again when the process ends.
    let recipe = try tinyRecipe(temporary)
    let set = try halftone.shell(
      "ulimit -f 16; $halftone calibrate \(Self.model) --recipe \(recipe) --out \(temporary.file("c.h5"))"
    ).wait()
    #expect(set.status == 5, "\(set.errors)")
    #expect(set.errors.contains("error[E-IO-LIMIT]"))
    #expect(names(in: temporary.path) == ["tiny.yaml"])
  }

  @Test func aTrajectoryThatLeavesTheNumbersLeavesNoSet() throws {
    let temporary = try TemporaryFolder()
    let model = temporary.file("model")
    try ModelFolderMaker.make(model) { parameters in
      parameters["conv_out.weight"]?.values.withUnsafeMutableBufferPointer { values in
        for index in values.indices { values[index] = values[index] < 0 ? -3e38 : 3e38 }
      }
    }
    let finished = try halftone.run(
      "calibrate", model, "--recipe", tinyRecipe(temporary), "--out", temporary.file("c.h5"), "-q")
    #expect(finished.status == 3, "\(finished.errors)")
    #expect(
      finished.errors == """
        error[E-SAMPLE-NOT-FINITE]: image 0 holds values that are not finite after step 0 (timestep 900)
        hint: check the weights, or clip x_0 (clip_sample: true)

        """)
    #expect(names(in: temporary.path) == ["model", "tiny.yaml"])
  }

  @Test func tooFewDescriptorsAreAResource() throws {
    let temporary = try TemporaryFolder()
    let set = temporary.file("c.h5")
    let recipe = try tinyRecipe(temporary)
    #expect(try halftone.run("calibrate", Self.model, "--recipe", recipe, "--out", set, "-q").status == 0)
    let finished = try halftone.shell("ulimit -n 5; $halftone inspect \(set)").wait()
    #expect(finished.status == 5, "\(finished.errors)")
  }

  @Test func helpThatCannotBeWrittenIsAnError() throws {
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    for arguments in [["--help"], ["sample", "--help"], ["--version"]] {
      let finished = try halftone.run(arguments, output: full)
      #expect(finished.status == 5)
      #expect(finished.errors.hasPrefix("error[E-STDOUT]: standard output cannot be written: No space left"))
    }
    #expect(try halftone.run("--version").output.hasPrefix("halftone "))
  }

  @Test(arguments: ["", "/", ".", "/proc/none/x"]) func placesThatCannotBeWrittenAreRefusedAtOnce(_ out: String) throws
  {
    let input = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm/io.npz").path
    let commands = [
      ["calibrate", Self.model, "--recipe", "halftone-w4a8", "--out", out],
      ["quantize", Self.model, "--recipe", "halftone-w4a8", "--out", out],
      ["predict", Self.model, "--input", input, "--out", out],
      [
        "stats", Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-test.npz").path, "--out",
        out,
      ],
      ["stats", "merge", "none.npz", "--out", out],
    ]
    for command in commands {
      let finished = try halftone.run(command)
      #expect([3, 5].contains(finished.status), "\(command): \(finished.errors)")
      #expect(finished.errors.hasPrefix("error[E-IO-"), "\(command): \(finished.errors)")
    }
  }

  @Test func namesMayBeLongAndMustBeUTF8() throws {
    let temporary = try TemporaryFolder()
    let input = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm/io.npz").path
    let long = temporary.file(String(repeating: "n", count: 251) + ".npz")
    #expect(try halftone.run("predict", Self.model, "--input", input, "--out", long, "-q").status == 0)
    #expect(FileManager.default.fileExists(atPath: long))
    let finished = try halftone.shell("$halftone predict \(Self.model) --input $'caf\\xe9.npz' --out y.npz").wait()
    #expect(finished.status == 2)
    #expect(
      finished.errors == """
        error[E-ENCODING]: argument 4 is not UTF-8: caf\\xE9.npz
        hint: rename the file, or reach it through a link whose name is UTF-8

        """)
  }

  @Test func whatAKilledWriterLeftIsRemovedByTheNext() throws {
    let temporary = try TemporaryFolder()
    let out = temporary.file("made/c.h5")
    let recipe = try tinyRecipe(temporary)
    let command = ["calibrate", Self.model, "--recipe", recipe, "--out", out]
    let running = try halftone.start(command)
    try running.waitUntil { names(in: temporary.file("made")).contains { $0.hasSuffix(".tmp") } }
    running.signal(SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)
    #expect(names(in: temporary.file("made")).contains { $0.hasSuffix(".tmp") })
    #expect(try halftone.run(command).status == 0)
    #expect(names(in: temporary.file("made")) == ["c.h5"])
  }

  @Test func anIndexThatIsNoMapIsRefusedByName() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("model")
    try ModelFolderMaker.make(folder)
    for (text, kind) in [("[]", "a list"), ("null", "null")] {
      try AtomicFile.write(text, to: folder + "/model_index.json")
      let finished = try halftone.run("inspect", folder)
      #expect(finished.status == 3)
      #expect(
        finished.errors
          == "error[E-MODEL-INDEX]: \(folder)/model_index.json: expected a map of the pipeline's components, found \(kind)\n"
      )
    }
  }
}
