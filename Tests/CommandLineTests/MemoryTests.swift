import Formats
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

/// Sizes that files and flags claim are compared with what the process may have, before anything of that size is made.
@Suite struct MemoryTests {
  let halftone = Launcher()
  private static let model = "fashion-mnist-ddpm"

  /// Runs a command under a limit on address space, KiB. - Returns: its end, at once.
  private func confined(_ kibibytes: Int, _ command: String) throws -> Finished {
    let started = ContinuousClock().now
    let finished = try halftone.shell("ulimit -v \(kibibytes); exec $halftone \(command)").wait()
    #expect(ContinuousClock().now - started < .seconds(60), "\(command)")
    return finished
  }

  private func expectMemoryError(_ finished: Finished, _ what: String) {
    #expect(finished.status == 5, "\(what): \(finished.status) \(finished.errors)")
    #expect(finished.errors.contains("error[E-MEMORY]"), "\(what): \(finished.errors)")
  }

  private func features(_ rows: Int, _ dimension: Int, at path: String) throws {
    let values = (0..<rows * dimension).map { Float($0 % 7) }
    try NPZ.write(TensorArchive(tensors: ["features": StoredTensor(Tensor([rows, dimension], values))]), to: path)
  }

  @Test func featuresHaveAsManyDimensionsAsStatisticsCan() throws {
    let temporary = try TemporaryFolder()
    let (over, largest) = (temporary.file("over.npz"), temporary.file("largest.npz"))
    try features(2, 16_385, at: over)
    try features(2, 16_384, at: largest)
    for command in [
      ["fid", over, over], ["score", over, over], ["stats", "convert", over, "--format", "pytorch-fid"],
    ] {
      let out = command[0] == "stats" ? ["--out", temporary.file("x.npz")] : []
      let finished = try halftone.run(command + out)
      #expect(finished.status == 3, "\(command)")
      #expect(finished.errors.contains("error[E-SCORE-FEATURES]"), "\(finished.errors)")
    }
    expectMemoryError(try confined(3_000_000, "fid \(largest) \(largest)"), "16384 features in 3 GB")
  }

  @Test func absentParametersTakeNoMoreThanTheFileStandsFor() throws {
    let file = Fixtures.root.appending(path: "faults/idle-parameters.safetensors").path
    let finished = try confined(2_000_000, "inspect \(file)")
    #expect(finished.status == 3, "\(finished.errors)")
    #expect(finished.errors.contains("error[E-QM-GRAPH]") && finished.errors.contains("are absent"))
  }

  @Test func workingMemoryOfLargeImagesIsRefusedBeforeTheRunFolder() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("model")
    var configuration = ModelFolderMaker.configuration()
    configuration.sampleSize = SampleSize(height: 8192, width: 4096)
    (configuration.downBlocks, configuration.upBlocks) = ([.plain, .plain], [.plain, .plain])
    configuration.hasMidBlock = false
    try ModelFolderMaker.make(folder, configuration)
    let run = temporary.file("run")
    expectMemoryError(
      try confined(2_500_000, "sample \(folder) --sampler ddim-10 --count 1 --out \(run)"), "large images")
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test func randomWeightsAreRefusedBeforeTheyAreDrawn() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("model")
    var configuration = ModelFolderMaker.configuration()
    configuration.blockOutChannels = [4096, 8192]
    try ModelFolderMaker.make(folder, configuration, weights: false)
    let finished = try confined(3_000_000, "bench \(folder) --random-weights --repeat 1 --batch 1 --threads 1")
    expectMemoryError(finished, "random weights")
    #expect(finished.errors.contains("parameters would take"))
  }

  @Test func batchesAndGridsAreRefused() throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("model")
    var configuration = ModelFolderMaker.configuration()
    configuration.sampleSize = SampleSize(height: 512, width: 512)
    (configuration.downBlocks, configuration.upBlocks) = ([.plain, .plain], [.plain, .plain])
    configuration.hasMidBlock = false
    try ModelFolderMaker.make(folder, configuration)
    for options in ["--batch 4096", "--grid 256x256"] {
      let run = temporary.file("run")
      expectMemoryError(
        try confined(2_000_000, "sample \(folder) --sampler ddim-10 --count 1 --threads 1 --out \(run) \(options)"),
        options)
      #expect(!FileManager.default.fileExists(atPath: run))
    }
  }

  @Test func manyImagesBeginAtOnce() throws {
    let temporary = try TemporaryFolder()
    let run = temporary.file("run")
    let started = ContinuousClock().now
    let running = try halftone.shell(
      "ulimit -v 1500000; exec $halftone sample \(Self.model) --sampler ddim-10 --count 100000000 --batch 2 --out \(run)"
    )
    try running.waitUntil { FileManager.default.fileExists(atPath: run + "/images/000000/000001.png") }
    #expect(ContinuousClock().now - started < .seconds(30))
    let status = try String(contentsOfFile: "/proc/\(running.process.processIdentifier)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    let kibibytes = try #require(line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
    #expect(kibibytes < 300_000)
    running.signal(SIGINT)
    let finished = running.wait()
    #expect(finished.status == 130)
    #expect(finished.errors.contains("of 100000000 images are done and safe"))
  }

  /// Whatever the limit, a command either does its work or says that memory ran out: it neither aborts nor waits for ever.
  @Test(arguments: [40_000, 100_000, 160_000, 220_000, 280_000, 340_000, 400_000, 460_000, 580_000, 700_000])
  func anyAddressSpaceIsAnswered(_ limit: Int)
    throws
  {
    let temporary = try TemporaryFolder()
    let statistics = ["test", "train"].map {
      Launcher.checkout.appending(path: "models/fashion-mnist-classifier/statistics-\($0).npz").path
    }
    let commands = [
      "inspect \(Self.model)", "fid \(statistics.joined(separator: " "))",
      "sample \(Self.model) --sampler ddim-10 --count 1 --out \(temporary.file("run"))",
    ]
    for command in commands {
      let finished = try confined(limit, command)
      // The system's loader, or OpenBLAS while it is loaded, may find no room: nothing of this program runs then.
      let isLoaded = finished.status != 127 && !finished.errors.contains("OpenBLAS blas_thread_init")
      #expect(
        !isLoaded || [0, 5].contains(finished.status), "\(limit) KiB, \(command): \(finished.status) \(finished.errors)"
      )
    }
  }
}
