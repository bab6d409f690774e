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
        "ddim-10", "ddim-100", "ddim-100-quad", "ddim-20", "ddim-50", "ddim-50-trailing", "ddpm-100", "ddpm-1000",
      ])
  }

  @Test("every sampler of the catalogue has a preset")
  func everySampler() throws {
    let used = try Self.names.map { type(of: try Self.read($0).sampler).name }
    #expect(Set(used) == Set(SamplerCatalog.names))
  }

  @Test(
    "a preset is what its name says, holds every key in the catalogue's order, and runs on 1000 timesteps",
    arguments: names)
  func preset(name: String) throws {
    let (value, sampler) = try Self.read(name)
    let parts = name.split(separator: "-")
    #expect(type(of: sampler).name == parts[0])
    #expect(String(sampler.selection.steps) == parts[1])
    #expect(sampler.configuration == value)
    #expect(sampler.selection.previous == .list)
    let process = DiffusionProcess(schedule: try NoiseSchedule(BetaSchedule()), predictionType: .epsilon)
    #expect(try sampler.steps(for: process).count == sampler.selection.steps)
  }

  @Test("the quadratic preset is the released DDIM sampler: 96 distinct timesteps from 800, no clipping")
  func quadratic() throws {
    let sampler = try #require(try Self.read("ddim-100-quad").sampler as? DDIMSampler)
    let timesteps = try sampler.selection.steps(trainTimesteps: 1000).map(\.timestep)
    #expect(timesteps.first == Timestep(800))
    #expect(Set(timesteps).count == 96)
    #expect(!sampler.bounds.clip && !sampler.bounds.thresholding && sampler.eta == 0)
  }
}
