import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// Which sampler and which noise schedule commands take, what they say about it, and what follows from a model's own file.
@Suite struct SamplerChoiceTests {
  let halftone = Launcher()

  /// A pipeline's folder of a tiny network, with a scheduler's file unless `scheduler` is nil.
  private func pipeline(_ folder: TemporaryFolder, _ name: String, scheduler: String?) throws -> String {
    let unet = folder.file("\(name)/unet")
    let files = FileManager.default
    try files.createDirectory(atPath: unet, withIntermediateDirectories: true)
    for file in ["config.json", "diffusion_pytorch_model.safetensors"] {
      try files.createSymbolicLink(atPath: "\(unet)/\(file)", withDestinationPath: "\(QuantizeTests.model)/\(file)")
    }
    if let scheduler {
      try files.createDirectory(atPath: folder.file("\(name)/scheduler"), withIntermediateDirectories: true)
      try scheduler.write(toFile: Self.file(folder, name), atomically: true, encoding: .utf8)
    }
    return folder.file(name)
  }

  private static func file(_ folder: TemporaryFolder, _ name: String) -> String {
    folder.file("\(name)/scheduler/scheduler_config.json")
  }

  private func pixels(_ run: String) throws -> [UInt8] { try PNG.read(run + "/images/000000/000000.png").pixels }

  /// The notes among lines that also hold progress.
  private func notes(_ finished: Finished) -> [String] {
    finished.errors.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("note: ") }.map(String.init)
  }

  // MARK: The model's own sampler

  @Test(
    "settings of the model's file decide the images, unless a preset is named, which is said",
    arguments: [
      (#""clip_sample": false"#, "clip_sample true, not false"),
      (#""clip_sample_range": 3.0"#, "clip_sample_range 1.0, not 3.0"),
      (#""timestep_spacing": "trailing""#, #"timestep_spacing "leading", not "trailing""#),
      (#""steps_offset": 1"#, "steps_offset 0, not 1"),
      (#""set_alpha_to_one": false"#, "set_alpha_to_one true, not false"),
      (
        #""thresholding": true, "sample_max_value": 2.0"#, "thresholding false, not true; sample_max_value 1.0, not 2.0"
      ),
    ])
  func ownSettings(setting: String, difference: String) throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(folder, "m", scheduler: #"{"_class_name": "DDPMScheduler", \#(setting)}"#)
    let file = Self.file(folder, "m")
    let (own, named, preset) = (folder.file("own"), folder.file("named"), folder.file("preset"))
    let drawn = try halftone.run("sample", model, "--steps", "5", "--count", "1", "--out", own)
    #expect(drawn.status == 0, "\(drawn.errors)")
    #expect(notes(drawn) == ["note: taking the model's own sampler: ddim, 5 steps, with the settings of \(file)"])
    let other = try halftone.run(
      "sample", model, "--sampler", "ddim-10", "--steps", "5", "--count", "1", "--out", preset, "--json")
    #expect(notes(other) == ["note: the sampler has other settings than \(file): \(difference)"])
    #expect(try JSON.parse(Array(other.output.utf8), file: "report")["notes"] != [])
    #expect(
      try halftone.run("sample", model, "--sampler", "own", "--steps", "5", "--count", "1", "--out", named).status == 0)
    #expect(try pixels(own) == pixels(named))
    #expect(try pixels(own) != pixels(preset))
  }

  @Test("the embedded model's own sampler is ddim-50, to the name")
  func embedded() throws {
    let folder = try TemporaryFolder()
    let run = folder.file("run")
    #expect(try halftone.run("sample", SampleTests.model, "--count", "1", "--out", run).status == 0)
    let again = try halftone.run("sample", SampleTests.model, "--sampler", "ddim-50", "--count", "1", "--out", run)
    #expect(again.status == 0, "\(again.errors)")
    #expect(again.output.hasPrefix("1 images in \(run)/images (0 drawn, 1 kept)\n"))
    #expect(notes(again) == [])
  }

  @Test("few training timesteps: the own sampler takes them all, presets take --steps")
  func fewTimesteps() throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(folder, "m", scheduler: #"{"_class_name": "DDPMScheduler", "num_train_timesteps": 4}"#)
    let own = try halftone.run("sample", model, "--count", "1", "--out", folder.file("own"))
    #expect(own.status == 0, "\(own.errors)")
    #expect(notes(own).first?.contains("ddim, 4 steps") == true)
    let preset = try halftone.run("sample", model, "--sampler", "ddim-50", "--count", "1", "--out", folder.file("x"))
    let message = """
      error[E-SAMPLER-STEPS]: steps: 50 sampling steps, but the model has 4 training timesteps
      hint: give at most 4 steps (--steps 4, or steps in the sampler's file)

      """
    #expect(preset.status == 2 && preset.errors == message)
    let recipe = ["quantize", model, "--recipe", "rtn-w8a8", "--effort", "fast", "--out", folder.file("q.safetensors")]
    let refused = try halftone.run(recipe + ["--sampler", "ddim-50"])
    #expect(refused.status == 2 && refused.errors == message)
    for options in [["--sampler", "ddim-50", "--steps", "4"], []] {
      let made = try halftone.run(recipe + options)
      #expect(made.status == 0, "\(made.errors)")
    }
    let inspected = try halftone.run("inspect", folder.file("q.safetensors"), "--json")
    #expect(try JSON.parse(Array(inspected.output.utf8), file: "report")["sampler"]?["steps"] == 4)
  }

  // MARK: Keys that are not used

  @Test("old and foreign keys are noted, and listed by inspect")
  func unusedKeys() throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(
      folder, "m",
      scheduler: #"""
        {"_class_name": "PNDMScheduler", "_diffusers_version": "0.1.1", "tensor_format": "pt", "timestep_values": null,
         "skip_prk_steps": true, "clip_sample": true}
        """#)
    let drawn = try halftone.run("sample", model, "--steps", "2", "--count", "1", "--out", folder.file("run"))
    #expect(drawn.status == 0, "\(drawn.errors)")
    #expect(
      notes(drawn).first
        == #"note: \#(Self.file(folder, "m")): not used: tensor_format "pt", timestep_values null, skip_prk_steps true"#
    )
    let inspected = try halftone.run("inspect", model, "--json")
    let schedule = try JSON.parse(Array(inspected.output.utf8), file: "report")["schedule"]
    #expect(schedule?["unused"] == ["tensor_format", "timestep_values", "skip_prk_steps"])
    #expect(schedule?["scheduler_class"] == "PNDMScheduler")
    #expect(schedule?["own_sampler"]?["set_alpha_to_one"] == false)
    #expect(schedule?["problem"] == .null)
  }

  // MARK: Schedules

  @Test("inspect and predict need no schedule; what samples says which options give one")
  func noSchedule() throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(folder, "m", scheduler: nil)
    let message = """
      error[E-MODEL-SCHEDULE]: \(model) says nothing about the noise schedule: scheduler_config.json stands neither there, nor in scheduler/, nor beside the network
      hint: name the file with --scheduler PATH, or say the schedule with --beta-schedule, --beta-start, --beta-end and --train-timesteps

      """
    for command in [
      ["sample", model], ["quantize", model, "--recipe", "rtn-w8a8"], ["calibrate", model, "--recipe", "rtn-w8a8"],
      ["sample", model, "--train-timesteps", "4000"],
    ] {
      let refused = try halftone.run(command + ["--out", folder.file("none")])
      #expect(refused.status == 3 && refused.errors == message, "\(refused.errors)")
    }
    let inspected = try halftone.run("inspect", model)
    #expect(inspected.status == 0 && inspected.output.contains("\nprocess: unknown; \(model) says nothing about"))
    let predicted = try halftone.run(
      "predict", model, "--input", QuantizeTests.model + "/io.npz", "--out", folder.file("y.npz"))
    #expect(predicted.status == 0, "\(predicted.errors)")
    let own = try halftone.run(
      "sample", model, "--sampler", "own", "--beta-schedule", "linear", "--out", folder.file("none"))
    #expect(
      own.status == 2
        && own.errors == """
          error[E-MODEL-SAMPLER]: \(model) has no sampler of its own: no scheduler_config.json stands with it
          hint: name a preset with --sampler, or the file with --scheduler PATH

          """
    )
  }

  @Test("a schedule that is refused stops what samples, not inspect")
  func refusedSchedule() throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(folder, "m", scheduler: #"{"_class_name": "EDMEulerScheduler"}"#)
    let refused = try halftone.run("sample", model, "--out", folder.file("none"))
    #expect(refused.status == 3 && refused.errors.contains("EDMEulerScheduler"))
    let inspected = try halftone.run("inspect", model)
    #expect(inspected.status == 0 && inspected.output.contains("\nprocess: unknown; "))
  }

  @Test("options give a schedule without a file, and replace values of one")
  func options() throws {
    let folder = try TemporaryFolder()
    let bare = try pipeline(folder, "bare", scheduler: nil)
    let drawn = try halftone.run(
      "sample", bare, "--beta-schedule", "cosine", "--train-timesteps", "4000", "--rescale-timesteps", "--sampler",
      "ddim-50-guided", "--steps", "4", "--count", "1", "--out", folder.file("bare-run"))
    #expect(drawn.status == 0, "\(drawn.errors)")
    #expect(
      notes(drawn) == [
        "note: noise schedule: 4000 timesteps, squaredcos_cap_v2 betas, times rescaled to 1000, predicts epsilon"
      ])
    let model = try pipeline(
      folder, "m", scheduler: #"{"_class_name": "DDPMScheduler", "beta_end": 0.03, "trained_betas": [0.1]}"#)
    let replaced = try halftone.run(
      "sample", model, "--beta-end", "0.02", "--steps", "2", "--count", "1", "--out", folder.file("run"))
    #expect(replaced.status == 0, "\(replaced.errors)")
    #expect(
      notes(replaced).prefix(2) == [
        "note: \(Self.file(folder, "m")): beta_end 0.03 is replaced by --beta-end 0.02",
        "note: \(Self.file(folder, "m")): trained_betas a list of 1 is replaced by --beta-end",
      ])
    let wrong = try halftone.run("sample", bare, "--beta-end", "1.5")
    #expect(wrong.status == 2 && wrong.errors.contains("--beta-end 1.5: expected above 0 and below 1"))
  }

  @Test("rescaled times reach an artefact and its self-test; its schedule takes no options")
  func rescaledArtefact() throws {
    let folder = try TemporaryFolder()
    let model = try pipeline(folder, "m", scheduler: nil)
    let schedule = ["--beta-schedule", "cosine", "--train-timesteps", "4000"]
    var images: [[UInt8]] = []
    for (name, flag) in [("rescaled", ["--rescale-timesteps"]), ("plain", [])] {
      let out = folder.file("\(name).safetensors")
      let made = try halftone.run(
        ["quantize", model, "--recipe", "halftone-w8a8", "--effort", "fast", "--steps", "3", "--out", out] + schedule
          + flag
      )
      #expect(made.status == 0, "\(made.errors)")
      #expect(try halftone.run("inspect", out, "--self-test").status == 0)
      #expect(try halftone.run("sample", out, "--count", "1", "--out", folder.file("run-\(name)")).status == 0)
      images.append(try pixels(folder.file("run-\(name)")))
    }
    #expect(images[0] != images[1])
    let out = folder.file("rescaled.safetensors")
    let refused = try halftone.run(["sample", out] + schedule)
    #expect(
      refused.status == 2
        && refused.errors == """
          error[E-MODEL-ROLE]: --beta-schedule, --train-timesteps: \(out) is quantised and holds its own noise schedule
          hint: leave them out

          """
    )
  }
}
