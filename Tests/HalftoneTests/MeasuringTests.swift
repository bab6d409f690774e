import Formats
import Foundation
import Halftone
import TestSupport
import Testing

/// Comparing and scoring through the library give the numbers of the command line.
@Suite(.serialized) struct MeasuringTests {
  @Test func comparisonIsThatOfTheCommandLine() async throws {
    let temporary = try TemporaryFolder()
    let (recipe, quantizedPath) = (try tinyRecipe(in: temporary), temporary.file("q.safetensors"))
    let float = try await Pipeline.open("fashion-mnist-ddpm", in: testRuntime())
    let quantized = try await float.quantize(to: quantizedPath, QuantizationOptions(recipe: recipe))
    let report = try JSON.parse(
      Array(
        halftone(
          "compare", "fashion-mnist-ddpm", quantizedPath, "--count", "6", "--seed", "3", "--out", temporary.file("run"),
          "--json"
        ).utf8), file: "report")
    let found = try await float.compare(with: quantized, SamplingOptions(count: 6, seed: 3))
    #expect(found.pairs.map(\.index) == [0, 1, 2, 3, 4, 5])
    #expect(found.pairs.allSatisfy { ($0.peakRatio.number ?? 0) > 10 && $0.similarity > 0.5 && $0.similarity <= 1 })
    #expect(found.steps.count == 10 && found.steps.first?.index == 0)
    #expect((found.meanStepRatio ?? 0) > 10)
    #expect(report["psnr"]?["mean_decibels"] == found.meanPeakRatio.map { .number($0) })
    #expect(report["psnr"]?["pooled_decibels"] == found.pooledPeakRatio.number.map { .number($0) })

    let same = try await float.compare(with: float, SamplingOptions(count: 2, sampler: "ddim-10"))
    #expect(same.pairs.allSatisfy { $0.peakRatio == .identical && $0.similarity == 1 })
    #expect(same.meanPeakRatio == nil && same.pooledPeakRatio == .identical && same.meanStepRatio == nil)
  }

  @Test func distanceIsThatOfTheCommandLine() async throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.file("run")
    try halftone(
      "sample", "fashion-mnist-ddpm", "--sampler", "ddim-10", "--count", "24", "--out", folder)
    let runtime = try testRuntime()
    let statistics = checkout + "/models/fashion-mnist-classifier/statistics-train.npz"
    try #require(FileManager.default.fileExists(atPath: statistics), "\(statistics)")
    let report = try JSON.parse(Array(halftone("fid", folder, statistics, "--json").utf8), file: "report")
    let progress = ProgressBox()
    let found = try await runtime.frechetDistance(
      between: .path(folder), and: .path(statistics), progress: { progress.add($0) })
    progress.check(leastStages: 1)
    #expect(report["distance"] == .number(found.distance))
    #expect(found.firstCount == 24 && found.name.hasPrefix("Fréchet distance on "))
    #expect(!found.warnings.isEmpty, "24 images are few")
    let images = try (0..<24).map { try Image.readPNG("\(folder)/images/000000/0000\($0 < 10 ? "0" : "")\($0).png") }
    let inMemory = try await runtime.frechetDistance(between: .images(images), and: .path(statistics))
    #expect(inMemory.distance == found.distance && inMemory.firstCount == 24)
  }

  @Test func imagesAreWrittenWhole() throws {
    let temporary = try TemporaryFolder()
    let bytes = (0..<48).map { UInt8($0 * 5) }
    let image = try Image(width: 4, height: 4, channels: 3, bytes: bytes)
    #expect(image.values[0] == -1 && image.values[47] < 1)
    try image.writePNG(to: temporary.file("a.png"))
    #expect(try Image.readPNG(temporary.file("a.png")) == image)
    let grid = try Image.grid([image, image, image], columns: 2, first: 5)
    #expect(grid.width > 8 && grid.height > 8 && grid.channels == 3)
    #expect(throws: PipelineError.self) { try Image.grid([], columns: 2) }
    #expect(throws: PipelineError.self) { try Image(width: 4, height: 4, channels: 3, bytes: []) }
    let many = try Image(width: 2, height: 1, channels: 2, bytes: [0, 1, 2, 3])
    #expect(throws: PipelineError.self) { try many.writePNG(to: temporary.file("b.png")) }
    #expect(throws: PipelineError.self) { try Image.grid([image, many], columns: 2) }
    #expect(throws: PipelineError.self) { try image.writePNG(to: temporary.file("none/a.png")) }
  }
}
