import Foundation
import Halftone
import TestSupport
import Testing

/// What the library says when something cannot be done.
@Suite(.serialized) struct ErrorTests {
  private static let model = "fashion-mnist-ddpm"

  @Test func numbersOutOfRangeAreRefused() async throws {
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let cases: [(SamplingOptions, String)] = [
      (SamplingOptions(count: 0), "E-USAGE"), (SamplingOptions(count: 1, first: -1), "E-USAGE"),
      (SamplingOptions(count: .max), "E-USAGE"), (SamplingOptions(first: .max), "E-USAGE"),
      (SamplingOptions(labels: []), "E-USAGE"), (SamplingOptions(guidance: .nan), "E-USAGE"),
      (SamplingOptions(guidanceRescale: 2), "E-USAGE"), (SamplingOptions(sampler: "ddim-10", steps: 0), "E-USAGE"),
      (SamplingOptions(guidance: 2), "E-GUIDANCE"), (SamplingOptions(sampler: "ddim-11"), "E-NOT-FOUND"),
      (SamplingOptions(executor: .integer), "E-MODEL-ROLE"),
    ]
    for (options, identifier) in cases {
      let error = await pipelineError {
        for try await _ in pipeline.images(options) { Issue.record("an image of \(options)") }
      }
      #expect(error?.kind == .usage, "\(options)")
      #expect(error?.identifier == identifier, "\(options): \(error as Any)")
      #expect(error?.message.isEmpty == false)
    }
    for labels in [[-1], [10], [0, 400]] {
      let error = await pipelineError {
        for try await _ in pipeline.images(SamplingOptions(labels: labels)) {}
      }
      #expect(error != nil, "\(labels)")
    }
    for bad in [{ try Runtime(threads: 0) }, { try Runtime(threads: 1025) }, { try Runtime(batch: 0) }] {
      #expect(throws: PipelineError.self) { try bad() }
    }
  }

  @Test func whatIsNotThereIsNamed() async throws {
    let runtime = try testRuntime()
    let error = await pipelineError { _ = try await Pipeline.open("fashion-mnist-ddpn", in: runtime) }
    #expect(error?.identifier == "E-NOT-FOUND" && error?.kind == .usage)
    #expect(error?.message.contains("did you mean fashion-mnist-ddpm?") == true)
    #expect(error?.remedy?.contains("fashion-mnist-ldm") == true)
    #expect(error?.errorDescription == error?.message && error?.recoverySuggestion == error?.remedy)
    #expect(error?.description.hasPrefix("error[E-NOT-FOUND]: ") == true)

    let bare = try Runtime()
    let unnamed = await pipelineError { _ = try await Pipeline.open(Self.model, in: bare) }
    #expect(unnamed?.identifier == "E-NOT-FOUND")
    #expect(unnamed?.remedy?.contains("the folder of models, samplers and calib") == true)
    let unscored = await pipelineError {
      let images = try (0..<2).map {
        try Image(width: 28, height: 28, channels: 1, bytes: .init(repeating: $0, count: 784))
      }
      _ = try await bare.frechetDistance(between: .images(images), and: .images(images))
    }
    #expect(unscored?.identifier == "E-HOME")
    #expect(throws: PipelineError.self) { try Runtime(assets: "/nonexistent") }
  }

  @Test func hdf5FilesNeedAReader() async throws {
    let temporary = try TemporaryFolder()
    let (recipe, set) = (try tinyRecipe(in: temporary), temporary.file("set.h5"))
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let options = QuantizationOptions(recipe: recipe, calibration: .file(set))
    let error = await pipelineError {
      _ = try await pipeline.quantize(to: temporary.file("q.safetensors"), options)
    }
    #expect(error?.identifier == "E-H5-READER" && error?.kind == .usage)
    #expect(error?.remedy == "name the halftone program as the reader of HDF5 files")
    #expect(try FileManager.default.contentsOfDirectory(atPath: temporary.path) == ["tiny.yaml"])
  }

  @Test func quantisedModelsAreNotQuantisedAgain() async throws {
    let temporary = try TemporaryFolder()
    let recipe = try tinyRecipe(in: temporary)
    let pipeline = try await Pipeline.open(Self.model, in: testRuntime())
    let missing = await pipelineError {
      _ = try await pipeline.quantize(to: temporary.file("none/q.safetensors"), QuantizationOptions(recipe: recipe))
    }
    #expect(missing?.kind == .usage || missing?.kind == .refusedInput || missing?.kind == .resource)
    let quantized = try await pipeline.quantize(
      to: temporary.file("q.safetensors"), QuantizationOptions(recipe: recipe))
    let error = await pipelineError {
      _ = try await quantized.quantize(to: temporary.file("r.safetensors"), QuantizationOptions(recipe: recipe))
    }
    #expect(error?.kind == .usage, "\(error as Any)")
    let executor = await pipelineError {
      _ = try await pipeline.compare(with: quantized, SamplingOptions(count: 1, executor: .float))
    }
    #expect(executor?.identifier == "E-USAGE")
  }
}
