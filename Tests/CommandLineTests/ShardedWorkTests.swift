import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Features, calibration sets and ablations made by several processes: the bytes of one.
@Suite(.serialized) struct ShardedWorkTests {
  private let halftone = Launcher()

  private func samples(_ count: Int, _ path: String) throws {
    let pixels = (0..<count * 784).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    try NPZ.write(TensorArchive(tensors: ["arr_0": StoredTensor(dims: [count, 28, 28, 1], pixels)]), to: path)
  }

  private func run(_ arguments: String...) throws -> Finished {
    let finished = try halftone.run(arguments)
    #expect(finished.status == 0, "\(finished.errors)")
    return finished
  }

  private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

  @Test(arguments: [1, 2, 3, 7]) func statisticsOfSharedFeaturesHaveTheBitsOfOneRun(_ shards: Int) throws {
    let temporary = try TemporaryFolder()
    let (set, whole, shared) = (temporary.file("set.npz"), temporary.file("whole.npz"), temporary.file("shared.npz"))
    try samples(300, set)
    _ = try run("stats", set, "--out", whole)
    for shard in 0..<shards {
      let finished = try run("stats", set, "--out", shared, "--shard", "\(shard)/\(shards)")
      #expect(finished.output.hasPrefix("shard \(shard)/\(shards): features of "))
      #expect(finished.output.hasSuffix(" images of \(set) in \(shared).features\n"))
    }
    let leaves = try FileManager.default.contentsOfDirectory(atPath: shared + ".features")
    #expect(leaves.count == 5 && bytes(shared) == nil)
    // Whoever writes the statistics computes no features: with the leaves gone after they were listed, they would be others'.
    let before = try leaves.map { try FileManager.default.attributesOfItem(atPath: shared + ".features/" + $0) }
    _ = try run("stats", set, "--out", temporary.file("kept.npz"), "--keep-features", shared + ".features")
    let after = try leaves.map { try FileManager.default.attributesOfItem(atPath: shared + ".features/" + $0) }
    #expect(before.map { $0[.modificationDate] as? Date } == after.map { $0[.modificationDate] as? Date })
    _ = try run("stats", set, "--out", shared)
    #expect(bytes(whole) != nil && bytes(whole) == bytes(shared))
    #expect(!FileManager.default.fileExists(atPath: shared + ".features"))
  }

  @Test func partsOfARangeAgreeAboutTheirLeaves() throws {
    let temporary = try TemporaryFolder()
    let (set, whole, shared) = (temporary.file("set.npz"), temporary.file("whole.npz"), temporary.file("shared.npz"))
    try samples(200, set)
    let range = ["--first-index", "10", "--indices", "20-180"]
    #expect(try halftone.run(["stats", set, "--out", whole] + range).status == 0)
    for shard in ["2/3", "0/3", "1/3"] {
      #expect(try halftone.run(["stats", set, "--out", shared, "--shard", shard] + range).status == 0)
    }
    // Units 0, 1 and 2, cut by the range.
    #expect(try FileManager.default.contentsOfDirectory(atPath: shared + ".features").count == 3)
    #expect(try halftone.run(["stats", set, "--out", shared] + range).status == 0)
    #expect(bytes(whole) != nil && bytes(whole) == bytes(shared))
  }

  @Test func scoresFindTheFeaturesOfTheirShards() throws {
    let temporary = try TemporaryFolder()
    let (set, kept) = (temporary.file("set.npz"), temporary.file("kept"))
    try samples(130, set)
    let reference = temporary.file("reference.npz")
    try samples(100, reference)
    let homeless = try halftone.run("score", set, reference, "--shard", "0/2")
    #expect(homeless.status == 2)
    #expect(
      homeless.errors == """
        error[E-SHARD-OPTION]: a shard of 'score' computes features, and nothing says where they are kept
        hint: give all shards, and the command that scores, one folder: --keep-features DIR

        """)
    for shard in ["0/2", "1/2"] { _ = try run("score", set, reference, "--keep-features", kept, "--shard", shard) }
    let leaves = try FileManager.default.contentsOfDirectory(atPath: kept)
    // 64, 64 and 2 images; 64 of them begin the other set too, and 36.
    #expect(leaves.count == 4)
    let scored = try run("score", set, reference, "--keep-features", kept, "--metrics", "frechet", "--json")
    #expect(try run("score", set, reference, "--metrics", "frechet", "--json").output == scored.output)
    #expect(try FileManager.default.contentsOfDirectory(atPath: kept).count == 4)
  }

  @Test(arguments: ["uniform, every: 3", "ndtc, mean: 0.4, std: 0.4, pairing: paper", "q_sample, every: 4"])
  func calibrationSetsHaveTheBytesOfOneRun(_ distribution: String) throws {
    let temporary = try TemporaryFolder()
    let recipe = try TinyRecipe.write(
      temporary.file("r.yaml"), bits: 8, calibration: "distribution: \(distribution), trajectories: 150")
    func calibrate(_ out: String, _ options: String...) throws -> Finished {
      let finished = try halftone.run(
        ["calibrate", TinyRecipe.model, "--scheduler", QuantizeTests.scheduler, "--recipe", recipe, "--out", out]
          + options)
      #expect(finished.status == 0, "\(finished.errors)")
      return finished
    }
    let (whole, shared) = (temporary.file("whole.h5"), temporary.file("shared.h5"))
    _ = try calibrate(whole)
    _ = try calibrate(shared, "--shard", "1/2")
    let refused = try halftone.run("gather", shared + ".units")
    #expect(refused.status == 3)
    #expect(
      refused.errors == """
        error[E-GATHER-UNITS]: \(shared).units does not make a calibration set:
          missing: 2 of 3 units: 0, 1
        hint: 'halftone calibrate --shard' makes what is missing or damaged

        """)
    let rest = try calibrate(shared, "--shard", "0/1", "--batch", "5")
    #expect(rest.output == "shard 0/1: 3 units of 64 trajectories in \(shared).units (2 made, 1 kept)\n")
    #expect(try run("gather", shared + ".units/").output == "\(shared): 3 units of 64 trajectories\n")
    #expect(bytes(whole) != nil && bytes(whole) == bytes(shared))
    // A unit is no set.
    let part = try halftone.run(
      "quantize", TinyRecipe.model, "--scheduler", QuantizeTests.scheduler, "--recipe", recipe, "--calibration",
      shared + ".units/000000.h5", "--out", temporary.file("q.safetensors"))
    #expect(part.status == 3 && part.errors.contains("E-CAL-KIND"))
  }

  @Test func changedUnitsAreNamedAndMadeAgain() throws {
    let temporary = try TemporaryFolder()
    let recipe = try TinyRecipe.write(
      temporary.file("r.yaml"), bits: 8, calibration: "distribution: uniform, every: 5, trajectories: 70")
    let set = temporary.file("set.h5")
    func shard(_ text: String) throws -> Finished {
      try halftone.run(
        "calibrate", TinyRecipe.model, "--scheduler", QuantizeTests.scheduler, "--recipe", recipe, "--out", set,
        "--shard",
        text)
    }
    #expect(try shard("0/1").status == 0)
    let unit = URL(fileURLWithPath: set + ".units/000001.h5")
    var content = try Data(contentsOf: unit)
    // The lowest byte of a trajectory's number, which stays one of the set's.
    content[content.count - 16] ^= 1
    try content.write(to: unit)
    let refused = try halftone.run("gather", set + ".units")
    #expect(refused.status == 3)
    #expect(refused.errors.contains("  unit 1: its samples are not those that were written\n"))
    #expect(try shard("0/1").output == "shard 0/1: 2 units of 64 trajectories in \(set).units (1 made, 1 kept)\n")
    #expect(try halftone.run("gather", set + ".units").status == 0)
    // A file in the place of another one, and one too many.
    let first = URL(fileURLWithPath: set + ".units/000000.h5")
    try Data(contentsOf: first).write(to: unit)
    try Data(contentsOf: first).write(to: URL(fileURLWithPath: set + ".units/000007.h5"))
    let exchanged = try halftone.run("gather", set + ".units")
    #expect(exchanged.errors.contains("  unit 1: the file is that of unit 0\n"))
    #expect(
      exchanged.errors.contains("  unit 7: unexpected, remove it; the set has 2, and the file is that of unit 0\n"))
    #expect(try shard("0/1").output == "shard 0/1: 2 units of 64 trajectories in \(set).units (1 made, 1 kept)\n")
    try FileManager.default.removeItem(atPath: set + ".units/000007.h5")
    let over = try halftone.run("gather", set + ".units", "--out", first.path)
    #expect(over.status == 2 && over.errors.hasPrefix("error[E-OUT-INPUT]: \(first.path) is both input and output\n"))
    #expect(try halftone.run("gather", set + ".units").status == 0)
  }

  @Test func anAblationIsSharedAndMeasuredByWhoeverHasNoShard() throws {
    let temporary = try TemporaryFolder()
    let recipes = try [("eight", 8), ("four", 4)].map {
      try TinyRecipe.write(temporary.file("\($0).yaml"), bits: $1)
    }.joined(separator: ",")
    func ablate(_ out: String, _ options: String...) throws -> Finished {
      try halftone.run(
        [
          "ablate", TinyRecipe.model, "--scheduler", QuantizeTests.scheduler, "--recipes", recipes, "--step-images",
          "2",
          "--count", "70", "--seeds", "2", "--out", out,
        ] + options)
    }
    let (whole, shared) = (temporary.file("whole"), temporary.file("shared"))
    #expect(try ablate(whole).status == 0)
    // The second shard's images begin in the middle of the first recipe's, which the first shard quantises.
    let early = try ablate(shared, "--shard", "1/2")
    #expect(early.status == 75)
    #expect(
      early.errors.hasSuffix(
        """
        error[E-ABLATE-WAITING]: 140 images are done; other shards have not made the artefacts of eight yet
        hint: the same command goes on when they have

        """))
    let first = try ablate(shared, "--shard", "0/2")
    #expect(first.output == "shard 0/2: eight; 210 images in \(shared) (210 drawn)\n", "\(first.errors)")
    let second = try ablate(shared, "--shard", "1/2")
    #expect(second.output == "shard 1/2: four; 210 images in \(shared) (70 drawn)\n", "\(second.errors)")
    let table = try ablate(shared)
    #expect(table.status == 0, "\(table.errors)")
    #expect(!table.errors.contains("quantising"))
    for name in ["eight", "four"] {
      let file = "/\(name).safetensors"
      #expect(bytes(whole + file) != nil && bytes(whole + file) == bytes(shared + file))
    }
    for variant in ["float", "eight", "four"] {
      for seed in 0...1 {
        for image in 0..<70 {
          let path = "/\(variant)/seed-\(seed)/" + String(format: "images/000000/%06d.png", image)
          #expect(try PNG.read(whole + path).pixels == PNG.read(shared + path).pixels)
        }
      }
    }
    let gathered = try halftone.run("gather", shared)
    #expect(gathered.status == 3)
    #expect(gathered.errors.hasPrefix("error[E-GATHER-KIND]: \(shared) is a run of ablate, which is not gathered\n"))
  }
}

/// Recipes that take no time, for a network that takes none.
enum TinyRecipe {
  static let model = Fixtures.golden("unet-ddpm")

  static func write(
    _ path: String, bits: Int, sampler: String = "ddim-10",
    calibration: String = "distribution: uniform, every: 1, trajectories: 2"
  ) throws -> String {
    let text = """
      method: rtn
      weights: {bits: \(bits), symmetric: true, range: min_max, rounding: nearest, bias_correction: false}
      activations: {bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: float}
      adaptive_ranges: none
      activation_tables: shared
      temporal_features: computed
      split_inputs: none
      smoothing: none
      reconstruction: none
      mixed_precision: none
      correction: none
      sampler: \(sampler)
      calibration: {\(calibration), seed: 0, labels: balanced}
      float_layers: [conv_in, conv_out]
      """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
}
