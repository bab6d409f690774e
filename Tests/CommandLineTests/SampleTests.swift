import Formats
import Foundation
import TestSupport
import Tensors
import Testing

/// What `sample` promises about pixels, interruptions and folders, on the embedded model.
@Suite(.serialized) struct SampleTests {
  let halftone = Launcher()
  static let model = "fashion-mnist-ddpm"

  private func sample(_ folder: String, _ options: String...) -> [String] {
    ["sample", Self.model, "--sampler", "ddim-10", "--out", folder] + options
  }

  /// Samples of each image of a run, by index.
  private func pixels(in folder: String, count: Int) throws -> [[UInt8]] {
    try (0..<count).map { try PNG.read("\(folder)/images/000000/00000\($0).png").pixels }
  }

  @Test func imagesDoNotDependOnBatchesOrThreads() throws {
    let temporary = try TemporaryFolder()
    var all: [[[UInt8]]] = []
    for (batch, threads) in [("1", "1"), ("3", "2"), ("64", "1"), ("64", "2")] {
      let folder = temporary.file("b\(batch)t\(threads)")
      let finished = try halftone.run(sample(folder, "--count", "5", "--batch", batch, "--threads", threads))
      #expect(finished.status == 0, "\(finished.errors)")
      all.append(try pixels(in: folder, count: 5))
    }
    #expect(all.allSatisfy { $0 == all[0] })
    // Different images, so that the comparison above says something.
    #expect(Set(all[0]).count == 5)
  }

  @Test func rangesExtendARunAndAgreeWithIt() throws {
    let temporary = try TemporaryFolder()
    let (whole, parts) = (temporary.file("whole"), temporary.file("parts"))
    #expect(try halftone.run(sample(whole, "--count", "4")).status == 0)
    #expect(try halftone.run(sample(parts, "--indices", "2-3")).status == 0)
    let extended = try halftone.run(sample(parts, "--count", "4", "--npz", "--grid", "1x4"))
    #expect(extended.status == 0)
    #expect(
      extended.output == """
        4 images in \(parts)/images (2 drawn, 2 kept)
        grid: \(parts)/grid.png
        array: \(parts)/samples.npz

        """)
    #expect(try pixels(in: parts, count: 4) == pixels(in: whole, count: 4))
    let array = try NPZFile(parts + "/samples.npz").tensor("arr_0")
    #expect(array.dims == [4, 28, 28, 1])
    #expect(array.bytes == (try pixels(in: whole, count: 4)).flatMap { $0 })
    let grid = try PNG.read(parts + "/grid.png")
    // Pixels three times as large; the first image's number beside the row, the others' distance above.
    #expect((grid.height, grid.width) == (20 + 86, 16 + 4 * 86))
  }

  @Test func killedRunIsContinuedToTheSameImages() throws {
    let temporary = try TemporaryFolder()
    let (clean, killed) = (temporary.file("clean"), temporary.file("killed"))
    #expect(try halftone.run(sample(clean, "--count", "8")).status == 0)
    let command = sample(killed, "--count", "8", "--batch", "1")
    let running = try halftone.start(command)
    try running.waitUntil { FileManager.default.fileExists(atPath: killed + "/images/000000/000001.png") }
    running.signal(SIGKILL)
    #expect(running.wait().status == 128 + SIGKILL)

    // What crashes leave: an image cut short, an empty one, one in the wrong place, a writer's temporary file.
    let images = killed + "/images/000000/"
    let first = URL(fileURLWithPath: images + "000000.png")
    let bytes = try Data(contentsOf: first)
    try bytes.write(to: URL(fileURLWithPath: images + "000007.png"))
    try bytes.prefix(bytes.count / 2).write(to: first)
    try Data().write(to: URL(fileURLWithPath: images + "000006.png"))
    let leftover = try staleTemporary(in: images)

    let resumed = try halftone.run(command)
    #expect(resumed.status == 0)
    #expect(resumed.errors.contains("000000.png: the file ends inside"))
    #expect(resumed.errors.contains("its halftone-index is 0, expected 7; drawing image 7 again"))
    #expect(try pixels(in: killed, count: 8) == pixels(in: clean, count: 8))
    #expect(!FileManager.default.fileExists(atPath: leftover))
    #expect(!FileManager.default.fileExists(atPath: killed + "/lock"))
    let log = try String(contentsOfFile: killed + "/log.jsonl", encoding: .utf8)
    #expect(log.contains("took over the lock of a process that ended"))
  }

  @Test(arguments: [
    (SIGINT, "SIGINT", 130), (SIGTERM, "SIGTERM", 143), (SIGHUP, "SIGHUP", 129), (SIGUSR1, "SIGUSR1", 75),
  ])
  func signalsStopAtASafePoint(_ number: Int32, _ name: String, _ status: Int32) throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    let command = sample(folder, "--count", "200", "--batch", "1")
    let running = try halftone.start(command)
    try running.waitUntil { FileManager.default.fileExists(atPath: folder + "/images/000000/000001.png") }
    running.signal(number)
    let stopped = running.wait()
    #expect(stopped.status == status)
    let done = try FileManager.default.contentsOfDirectory(atPath: folder + "/images/000000").count
    #expect(
      stopped.errors.hasSuffix(
        """
        stopped[\(name)]: \(done) of 200 images are done and safe
        hint: the same command goes on from there: halftone \(command.joined(separator: " "))

        """))
    let resumed = try halftone.run(sample(folder, "--count", "\(done + 1)"))
    #expect(resumed.output.hasPrefix("\(done + 1) images in \(folder)/images (1 drawn, \(done) kept)\n"))
  }

  @Test func secondProcessIsRefused() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    let running = try halftone.start(sample(folder, "--count", "200", "--batch", "1"))
    try running.waitUntil { FileManager.default.fileExists(atPath: folder + "/images/000000/000000.png") }
    let second = try halftone.run(sample(folder, "--count", "200"))
    running.signal(SIGKILL)
    _ = running.wait()
    #expect(second.status == 4)
    #expect(
      second.errors == """
        error[E-RUN-LOCKED]: \(folder) is in use by process \(running.process.processIdentifier) on \(hostName)
        hint: wait for it to finish, or choose another folder with --out

        """)
  }

  private var hostName: String {
    var names = utsname()
    uname(&names)
    return withUnsafeBytes(of: names.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  @Test func otherConfigurationIsRefusedByKey() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    #expect(try halftone.run(sample(folder, "--count", "1")).status == 0)
    let refused = try halftone.run("sample", Self.model, "--sampler", "ddim-20", "--seed", "7", "--out", folder)
    #expect(refused.status == 4)
    #expect(
      refused.errors == """
        error[E-RUN-DIFFERS]: \(folder) holds another run:
          configuration.sampler.steps: 10 there, 20 asked for
          configuration.seed: 0 there, 7 asked for
        hint: repeat the first configuration to go on with that run, or choose another folder with --out

        """)
  }

  @Test func executorsThatCannotRunAModelLeaveNoFolderAndOthersDoNotMix() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    let refused = try halftone.run(sample(folder, "--count", "1", "--executor", "integer"))
    #expect(refused.status == 2)
    #expect(refused.errors.hasPrefix("error[E-MODEL-ROLE]: '--executor integer' needs a quantised model; "))
    #expect(!FileManager.default.fileExists(atPath: folder))
    #expect(try halftone.run(sample(folder, "--count", "1", "--executor", "float")).status == 0)
    let other = try halftone.run(sample(folder, "--count", "2"))
    #expect(other.status == 4)
    #expect(other.errors.contains("configuration.executor: \"float\" there, \"winograd\" asked for"))
  }

  @Test func bfloat16IsRefusedWhereItCannotRun() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    var plain = halftone
    plain.environment["HALFTONE_ISA"] = "base"
    let refused = try plain.run(sample(folder, "--count", "1", "--executor", "bf16"))
    #expect(refused.status == 2)
    #expect(
      refused.errors.hasSuffix(
        """
        error[E-ISA]: '--executor bf16' needs a processor with AVX512-BF16; what runs here are the kernels for base
        hint: leave --executor out to take the fastest that runs here

        """), "\(refused.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder))
    if KernelTable.best.convolveBF16 == nil { return }
    #expect(try halftone.run(sample(folder, "--count", "1", "--executor", "bf16")).status == 0)
    // Another arithmetic, other bits: not the same run.
    let other = try halftone.run(sample(folder, "--count", "2"))
    #expect(other.errors.contains("configuration.executor: \"bf16\" there, \"winograd\" asked for"))
  }

  @Test func imagesFromGivenNoiseAreThoseOfPyTorch() throws {
    let temporary = try TemporaryFolder()
    let golden = Launcher.checkout.appending(path: "models/fashion-mnist-ddpm/ddim50.npz").path
    let finished = try halftone.run(
      "sample", Self.model, "--sampler", "ddim-50", "--initial-noise", golden, "--count", "8", "--npz", "--out",
      temporary.file("run"))
    #expect(finished.status == 0, "\(finished.errors)")
    let x0 = try #require(try NPZFile(golden).tensor("x_0").floats()).values
    let pixels = try NPZFile(temporary.file("run") + "/samples.npz").tensor("arr_0").bytes
    #expect(pixels.count == x0.count)
    // 50 steps in another order of summation may move a value across a rounding boundary, and no further.
    let differences = zip(pixels, x0).map { abs(Float($0) - min(max((($1 + 1) * 127.5).rounded(), 0), 255)) }
    #expect(differences.allSatisfy { $0 <= 1 })
    #expect(differences.count { $0 > 0 } * 1000 < differences.count)
  }

  @Test func imagesSayWhichTheyAre() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    #expect(try halftone.run(sample(folder, "--indices", "1234567", "--seed", "5")).status == 0)
    let texts = try PNG.texts(folder + "/images/001234/1234567.png")
    #expect(texts["halftone-index"] == "1234567")
    #expect(texts["halftone-seed"] == "5")
    #expect(texts["halftone-model"]?.hasPrefix("sha256:") == true)
  }

  @Test func placesThatCannotBeWrittenAreResourceErrors() throws {
    let refused = try halftone.run(sample("/sys/halftone", "--count", "1"))
    #expect(refused.status == 5)
    #expect(refused.errors == "error[E-IO-PERMISSION]: /sys/halftone: no permission to create\n")
  }
}
