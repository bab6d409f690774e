import Formats
import Foundation
import Halftone
import Synchronization
import TestSupport
import Testing

/// Quantising through the library: the arrays of the command line, progress, cancellation.
@Suite(.serialized) struct QuantizingTests {
  private static let model = "fashion-mnist-ddpm"

  @Test func artefactIsThatOfTheCommandLine() async throws {
    let temporary = try TemporaryFolder()
    let (recipe, theirs) = (try tinyRecipe(in: temporary), temporary.file("theirs.safetensors"))
    try halftone("quantize", Self.model, "--recipe", recipe, "--out", theirs)
    let runtime = try testRuntime(hdf5Reader: BuiltProgram.path)
    let pipeline = try await Pipeline.open(Self.model, in: runtime)
    let places: [(String, QuantizationOptions.CalibrationSet)] = [
      (temporary.file("memory.safetensors"), .inMemory),
      (temporary.file("file.safetensors"), .file(temporary.file("set.h5"))),
    ]
    for (ours, place) in places {
      let progress = ProgressBox()
      let quantized = try await pipeline.quantize(
        to: ours, QuantizationOptions(recipe: recipe, calibration: place), progress: { progress.add($0) })
      #expect(try Safetensors.read(ours).tensors == Safetensors.read(theirs).tensors)
      let facts = try #require(quantized.facts.quantization)
      #expect((facts.weightBits, facts.activationBits) == (8, 8))
      #expect(facts.sourceDigest == pipeline.facts.digest && facts.method == "tfmq")
      progress.check(leastStages: 2)
    }
    // With the same set in a file, the whole file is the command's.
    #expect(
      FileManager.default.contents(atPath: temporary.file("file.safetensors"))
        == FileManager.default.contents(atPath: theirs))
    #expect(!FileManager.default.fileExists(atPath: temporary.file("memory.safetensors.partial")))
    let files = Set(try FileManager.default.contentsOfDirectory(atPath: temporary.path))
    #expect(files.filter { $0.hasPrefix("memory") } == ["memory.safetensors"])

    // It draws what the command draws with it, in integers.
    let folder = temporary.file("run")
    try halftone("sample", theirs, "--count", "2", "--out", folder)
    let quantized = try await Pipeline.open(places[0].0, in: runtime)
    for try await image in quantized.images(SamplingOptions(count: 2)) {
      #expect(try PNG.read("\(folder)/images/000000/00000\(image.index).png").pixels == image.image.bytes)
    }
  }

  /// At any point of the work.
  @Test(arguments: [0.0, 0.9]) func cancellationLeavesNothing(fraction: Double) async throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("out")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let (reached, continuation) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      // Hours of work on two cores: it learns the rounding of every layer.
      try await pipeline.quantize(to: folder + "/q.safetensors", QuantizationOptions(recipe: "halftone-w4a8")) {
        if $0.fraction >= fraction { continuation.yield() }
      }
    }
    for await _ in reached { break }
    let clock = ContinuousClock()
    let cancelled = clock.now
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(clock.now - cancelled < .seconds(20))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
  }

  @Test func aTaskThatIsCancelledBeforeDoesNothing() async throws {
    let temporary = try TemporaryFolder()
    let (recipe, path) = (try tinyRecipe(in: temporary), temporary.file("q.safetensors"))
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await pipeline.quantize(to: path, QuantizationOptions(recipe: recipe))
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}

/// What was said of progress.
final class ProgressBox: Sendable {
  private let all = Mutex<[WorkProgress]>([])

  func add(_ progress: WorkProgress) { all.withLock { $0.append(progress) } }

  /// Stages come one after another, each from its beginning to its end. - Parameter leastStages: how many there are at least.
  func check(leastStages: Int) {
    let all = all.withLock { $0 }
    var stages: [String] = []
    var last: WorkProgress?
    for progress in all {
      if progress.stage != last?.stage {
        if let last { #expect(last.fraction == 1, "\(last)") }
        stages.append(progress.stage)
      } else if let last {
        #expect(progress.done >= last.done && progress.total == last.total, "\(last), then \(progress)")
      }
      last = progress
    }
    #expect(last?.fraction == 1)
    #expect(stages.count >= leastStages && Set(stages).count == stages.count, "\(stages)")
  }
}

/// What was noted.
final class NoteBox: Sendable {
  private let all = Mutex<[String]>([])
  func add(_ text: String) { all.withLock { $0.append(text) } }
  var texts: [String] { all.withLock { $0 } }
}
