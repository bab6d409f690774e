import Foundation
import TestSupport

/// Inputs of all commands, made once: a small network, recipes, a set of images, the images of two shards; and the interposed library.
struct Workshop {
  let folder: String
  let starter: Starter

  private static let images = 130
  private var model: String { folder + "/model" }

  /// - Parameter commands: names of those that will be run; empty: all.
  init(_ folder: String, program: String, commands: Set<String>) throws {
    self.folder = folder
    try FileManager.default.createDirectory(atPath: folder + "/scratch", withIntermediateDirectories: true)
    starter = Starter(
      program: program, interposer: try Self.interposer(in: folder), scratch: folder + "/scratch")
    try ModelFolderMaker.make(model)
    for (name, text) in [
      ("learned", Self.recipe(bits: 4, reconstruction: Self.learning)), ("eight", Self.recipe(bits: 8)),
      ("four", Self.recipe(bits: 4)),
    ] {
      try text.write(toFile: "\(folder)/\(name).yaml", atomically: false, encoding: .utf8)
    }
    if !commands.isEmpty && commands.isDisjoint(with: ["stats", "gather"]) { return }
    // Three units of images, the last of them short: features are those of an extractor that takes the embedded model's images.
    for shard in 0..<2 {
      try run(
        "sample", "fashion-mnist-ddpm", "--sampler", "lcm-4", "--count", "\(Self.images)", "--out", "part-\(shard)",
        "--shard", "\(shard)/2")
    }
    try run("gather", "part-0", "part-1", "--out", "images", "--count", "\(Self.images)")
  }

  private func run(_ arguments: String...) throws {
    let ending = try starter.run(arguments, in: folder)
    guard ending.succeeded else {
      throw Failure("\(arguments.joined(separator: " ")): \(ending.text)\n\(ending.errors)")
    }
  }

  /// The commands of a campaign. Image k, every array and every model of them is promised bit for bit.
  var subjects: [Subject] {
    func recipe(_ name: String) -> String { "\(folder)/\(name).yaml" }
    return [
      Subject(
        name: "sample",
        arguments: [
          "sample", model, "--sampler", "ddim-10", "--count", "12", "--batch", "2", "--npz", "--out", "run",
        ]),
      Subject(
        name: "calibrate",
        arguments: ["calibrate", model, "--recipe", recipe("eight"), "--out", "set.h5"]),
      Subject(
        name: "quantize",
        arguments: ["quantize", model, "--recipe", recipe("learned"), "--out", "model.safetensors"]),
      Subject(
        name: "stats",
        arguments: ["stats", folder + "/images", "--keep-features", "features", "--out", "statistics.npz"]),
      Subject(
        name: "ablate",
        arguments: [
          "ablate", model, "--recipes", [recipe("eight"), recipe("four")].joined(separator: ","), "--sampler",
          "ddim-10",
          "--count", "4", "--seeds", "1", "--step-images", "2", "--out", "table",
        ]),
      Subject(
        name: "gather",
        arguments: [
          "gather", folder + "/part-0", folder + "/part-1", "--out", "run", "--count", "\(Self.images)", "--stats",
          "statistics.npz",
        ]),
    ].map { Subject(name: $0.name, arguments: $0.arguments + ["--threads", "1"]) }
  }

  /// Compiled where it is needed: it is no part of the program.
  private static func interposer(in folder: String) throws -> String {
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Interposer/interposer.c")
      .path
    let library = folder + "/interposer.so"
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = ["clang", "-std=gnu11", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"]
    try compiler.run()
    compiler.waitUntilExit()
    guard compiler.terminationStatus == 0 else { throw Failure("\(source) does not compile") }
    return library
  }

  /// Blocks, then the network for long enough that the state in the middle of its learning is written.
  private static let learning = """
    {samples_per_step: 1, memory_mib: 64, order: execution, temporal_block: none, activation_steps: none,
      blocks: \(part(iterations: 4)),
      network: \(part(iterations: 128))}
    """

  private static func part(iterations: Int) -> String {
    """
    {relaxation: straight_through, iterations: \(iterations), batch: 1, learning_rate: 0.005, scale_learning_rate: 0,
        bias_learning_rate: 0.0001, penalty: 0.01, warm_up: 0.2, exponent: {first: 20, last: 2}, start_trust: 0,
        upstream: quantized_weights, loss: equal, activations: float}
    """
  }

  private static func recipe(bits: Int, reconstruction: String = "none") -> String {
    let activations =
      reconstruction == "none"
      ? "{bits: 8, symmetric: false, range: min_max, ema: none, upstream: float, attention_products: float}" : "float"
    return """
      method: rtn
      weights: {bits: \(bits), symmetric: \(reconstruction == "none"), range: min_max, rounding: nearest, bias_correction: false}
      activations: \(activations)
      adaptive_ranges: none
      activation_tables: shared
      temporal_features: computed
      split_inputs: none
      smoothing: none
      reconstruction: \(reconstruction)
      mixed_precision: none
      correction: none
      sampler: ddim-10
      calibration: {distribution: uniform, every: 1, trajectories: 2, seed: 0, labels: balanced}
      float_layers: [conv_in, conv_out]
      """
  }
}

/// Why a campaign cannot be run.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
