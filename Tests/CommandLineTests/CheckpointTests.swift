import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// What the program makes of checkpoints: files and folders of the original programs, with and without configurations.
@Suite struct CheckpointTests {
  let halftone = Launcher()
  private static let guided = Fixtures.path("checkpoints/f2-guided-neworder")
  private static let classes = Fixtures.path("checkpoints/f2-guided-legacy-updown-class")

  /// The checkpoint of `folder` alone, in a folder of its own.
  private func alone(_ folder: String, _ name: String, in temporary: TemporaryFolder) throws -> String {
    let path = temporary.file(name)
    try FileManager.default.copyItem(atPath: "\(folder)/\(name)", toPath: path)
    return path
  }

  @Test func predictionsAreTheOriginals() throws {
    let temporary = try TemporaryFolder()
    let expected = try #require(try NPZFile(Self.guided + "/io.npz").tensor("out").floats())
    let out = temporary.file("y.npz")
    let finished = try halftone.run(
      "predict", Self.guided, "--input", Self.guided + "/io.npz", "--out", out, "--executor", "float")
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.errors.contains("configuration: \(Self.guided)/flags.json, beside the checkpoint\n"))
    let found = try #require(try NPZFile(out).tensor("y").floats())
    #expect(zip(found.values, expected.values).allSatisfy { abs($0 - $1) < 5e-5 })
  }

  @Test func inspectionSaysWhereEveryValueComesFrom() throws {
    let temporary = try TemporaryFolder()
    let file = try alone(Self.guided, "lsun_like.pt", in: temporary)
    let options = ["--size", "16x16", "--heads", "4", "--qkv-order", "new", "--scheduler", QuantizeTests.scheduler]
    let text = try halftone.run(["inspect", file] + options)
    #expect(text.status == 0, "\(text.errors)")
    #expect(text.output.contains("checkpoint: improved-diffusion or guided-diffusion U-Net, no configuration\n"))
    #expect(text.output.contains("| num_channels            | 32    | inferred from the weights "))
    #expect(text.output.contains("| num_heads               | 4     | given by --heads "))
    let json = try halftone.run(["inspect", file, "--json", "-q"] + options)
    let report = try JSON.parse(Array(json.output.utf8), file: "report")
    guard case .list(let parameters)? = report["checkpoint"]?["hyperparameters"] else {
      Issue.record("no hyperparameters in \(json.output)")
      return
    }
    let heads = parameters.first { $0["key"] == "num_heads_upsample" }
    #expect(heads == ["key": "num_heads_upsample", "value": 4, "origin": "given", "overridden": nil])
    #expect(report["kind"] == "float")
  }

  @Test func aCommandLineIsAConfiguration() throws {
    let temporary = try TemporaryFolder()
    let flags = temporary.file("flags.txt")
    try """
    # from the README
    MODEL_FLAGS="--image_size 16 --num_channels 32 --num_res_blocks 1 --num_heads 4 --num_heads_upsample 2 \\
      --attention_resolutions 16,8 --channel_mult 2,1 --learn_sigma True --use_scale_shift_norm=False"
    python scripts/image_sample.py $MODEL_FLAGS --use_new_attention_order True --num_samples 4
    """.write(toFile: flags, atomically: true, encoding: .utf8)
    let named = try halftone.run("inspect", Self.guided + "/lsun_like.pt", "--config", flags, "--json")
    #expect(named.status == 0, "\(named.errors)")
    let beside = try halftone.run("inspect", Self.guided, "--json")
    func digest(_ finished: Finished) throws -> ConfigurationValue? {
      try JSON.parse(Array(finished.output.utf8), file: "report")["digest"]
    }
    #expect(try digest(named) == digest(beside))
    try "--image_size 16 stray --num_heads --learn_sigma True".write(toFile: flags, atomically: true, encoding: .utf8)
    let refused = try halftone.run("inspect", Self.guided, "--config", flags)
    #expect(refused.status == 3)
    #expect(
      refused.errors == """
        error[E-CONFIG]: \(flags): stray is neither a flag nor a flag's value
          \(flags): --num_heads has no value

        """)
  }

  @Test func sampledAndQuantisedModelsRunAlone() throws {
    let temporary = try TemporaryFolder()
    let recipe = temporary.file("tiny.yaml")
    let preset = try String(contentsOf: Launcher.checkout.appending(path: "calib/rtn-w8a8.yaml"), encoding: .utf8)
    try preset.replacing(#/trajectories: \d+/#, with: "trajectories: 4")
      .replacing(#/(?m)^sampler: .*$/#, with: "sampler: ddim-10")
      .write(toFile: recipe, atomically: true, encoding: .utf8)
    let out = temporary.file("w8a8.safetensors")
    let made = try halftone.run("quantize", Self.classes, "--recipe", recipe, "--out", out)
    #expect(made.status == 0, "\(made.errors)")
    #expect(try halftone.run("inspect", out, "--self-test").output.contains("self-test: passed"))
    for (model, run) in [(out, "integer"), (Self.classes, "float")] {
      let sampled = try halftone.run(
        "sample", model, "--sampler", "ddim-10", "--count", "2", "--out", temporary.file(run))
      #expect(sampled.status == 0, "\(sampled.errors)")
    }
    let compared = try halftone.run(
      "compare", Self.classes, out, "--count", "2", "--out", temporary.file("compared"))
    #expect(compared.status == 0, "\(compared.errors)")
    let idle = try halftone.run("inspect", out, "--heads", "4", "--config", recipe)
    #expect(idle.status == 2)
    #expect(
      idle.errors == "error[E-MODEL-OPTION]: \(out) takes no --config, --heads: a quantised model says it itself\n")
  }

  @Test func ambiguousAndForeignFilesAreRefusedByName() throws {
    let temporary = try TemporaryFolder()
    let improved = Fixtures.path("checkpoints/f2-improved-in64like")
    let several = try halftone.run("inspect", improved)
    #expect(several.status == 3)
    #expect(
      several.errors == """
        error[E-MODEL-AMBIGUOUS]: \(improved) holds several files of weights: ema_0.9999_050000.pt, opt050000.pt
        hint: give the file

        """)
    let file = try alone(Self.guided, "lsun_like.pt", in: temporary)
    for name in ["config.yml", "flags.json"] { try Data().write(to: URL(fileURLWithPath: temporary.file(name))) }
    let configurations = try halftone.run("inspect", file)
    #expect(configurations.status == 3)
    #expect(
      configurations.errors == """
        error[E-MODEL-AMBIGUOUS]: several configurations stand beside \(file): \(temporary.file("config.yml")), \(temporary.file("flags.json"))
        hint: name one with --config FILE

        """)
  }
}
