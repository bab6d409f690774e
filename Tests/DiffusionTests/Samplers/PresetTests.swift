import Diffusion
import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// The files in samplers/, as a user reads and copies them.
@Suite("Sampler presets")
struct PresetTests {
  static let folder = Fixtures.root.deletingLastPathComponent().deletingLastPathComponent().appending(path: "samplers")

  static let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
    .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()

  static func read(_ name: String) throws -> (value: ConfigurationValue, sampler: any Sampler) {
    let path = folder.appending(path: name + ".yaml").path
    let value = try YAML.read(path)
    return (value, try SamplerCatalog.decode(value, file: path))
  }

  @Test("the presets are these")
  func list() {
    #expect(
      Self.names == [
        "compvis-ddim-20", "compvis-ddim-200", "compvis-ddim-200-eta1", "compvis-ddim-50", "compvis-ddim-500",
        "ddim-10", "ddim-100",
        "ddim-100-guided", "ddim-100-quad", "ddim-100-uniform", "ddim-20", "ddim-250-guided",
        "ddim-50", "ddim-50-guided", "ddim-50-trailing", "ddpm-100", "ddpm-1000", "ddpm-250-learned",
        "ddpm-4000-learned", "dpmpp-2m-20", "dpmpp-2m-karras-20", "dpmpp-2m-sde-20", "euler-20", "euler-ancestral-20",
        "heun-20", "lcm-4", "plms-50", "pndm-50", "unipc-20",
      ])
  }

  @Test("every sampler of the catalogue has a preset")
  func everySampler() throws {
    let used = try Self.names.map { type(of: try Self.read($0).sampler).name }
    #expect(Set(used) == Set(SamplerCatalog.names))
  }

  @Test(
    "a preset is what its name says, holds every key in the catalogue's order, and runs on a model with enough timesteps",
    arguments: names)
  func preset(name: String) throws {
    let (value, sampler) = try Self.read(name)
    // latent diffusion's DDIM, and the same method under two names.
    let plain = name.replacing("compvis-", with: "").replacing("pndm", with: "plms").replacing(
      "-ancestral", with: "_ancestral")
    #expect(type(of: sampler).name == plain.split(separator: "-")[0])
    #expect(plain.split(separator: "-").compactMap { Int($0) } == [sampler.requestedSteps])
    #expect(sampler.configuration == value)
    #expect((sampler as? any TimestepSampler)?.selection.previous ?? .list == .list)
    let total = max(1000, sampler.requestedSteps)
    let process = DiffusionProcess(
      schedule: try NoiseSchedule(BetaSchedule(trainTimesteps: total)), predictionType: .epsilon)
    #expect(try sampler.plan(for: process).stepCount == sampler.requestedSteps)
    #expect(try sampler.taking(steps: 4).plan(for: process).stepCount == 4)
  }

  @Test("the quadratic preset is the released DDIM sampler: 96 distinct timesteps from 800, no clipping")
  func quadratic() throws {
    let sampler = try #require(try Self.read("ddim-100-quad").sampler as? DDIMSampler)
    let timesteps = try sampler.selection.steps(trainTimesteps: 1000).map(\.timestep)
    #expect(timesteps.first == Timestep(800))
    #expect(Set(timesteps).count == 96)
    #expect(!sampler.bounds.clip && !sampler.bounds.thresholding && sampler.eta == 0)
  }

  /// What guided-diffusion's code does with the flags that the presets' comments name, on its schedules.
  @Test("guided presets take that code's timesteps, and epsilon from the clipped x_0")
  func guided() throws {
    for (name, total, first) in [
      ("ddim-50-guided", 1000, [980, 960, 940]), ("ddim-100-guided", 4000, [3999, 3959, 3918]),
      ("ddim-250-guided", 4000, [3999, 3983, 3967]),
    ] {
      let sampler = try #require(try Self.read(name).sampler as? DDIMSampler)
      #expect(sampler.recomputeEpsilon && sampler.bounds == CleanImageBounds() && sampler.eta == 0)
      let timesteps = try sampler.selection.steps(trainTimesteps: total).map(\.timestep)
      #expect(timesteps.prefix(3) == first.map { Timestep($0) }[...])
      #expect(timesteps.last == Timestep(0))
    }
  }

  @Test("the learned presets need a network with a variance")
  func learned() throws {
    for name in ["ddpm-250-learned", "ddpm-4000-learned"] {
      let sampler = try Self.read(name).sampler
      #expect(throws: DiffusionError.varianceNotLearned(.learnedRange)) { try sampler.check(learnsVariance: false) }
    }
  }
}
