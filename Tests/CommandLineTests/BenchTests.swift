import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// `bench` says what it timed; how fast that was is nobody's test.
@Suite struct BenchTests {
  let halftone = Launcher()

  @Test func everyVariantThreadAndBatchHasARow() throws {
    let finished = try halftone.run(
      "bench", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--random-weights", "--quantized",
      "rtn-w8a8", "--batch", "1,3", "--threads", "1,2", "--repeat", "3", "--ops", "--json", "--quiet")
    #expect(finished.status == 0, "\(finished.errors)")
    let report = try JSON.parse(Array(finished.output.utf8), file: "report")
    guard case .list(let rows)? = report["rows"] else {
      Issue.record("no rows in \(finished.output)")
      return
    }
    let names = rows.compactMap { row -> String? in
      guard case .string(let model)? = row["model"], case .integer(let threads)? = row["threads"],
        case .integer(let batch)? = row["batch"]
      else { return nil }
      return "\(model) \(threads) \(batch)"
    }
    let expected = ["1 1", "1 3", "2 1", "2 3"].flatMap { at in
      ["float", "winograd", "rtn-w8a8"].map { "\($0) \(at)" }
    }
    #expect(names == expected)
    for row in rows {
      guard case .number(let milliseconds)? = row["milliseconds_per_image"], case .list(let work)? = row["work"] else {
        Issue.record("incomplete row \(row)")
        continue
      }
      #expect(milliseconds > 0)
      let kinds = work.compactMap { $0["work"] }
      let isInteger = row["integer"] == .bool(true)
      #expect(kinds.contains(.string("convolution 3x3, float")))
      #expect(kinds.contains(.string("convolution 3x3, integer")) == isInteger)
    }
  }

  @Test func gradientsAreTimedBesideTheForwardPass() throws {
    let command = [
      "bench", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--random-weights", "--gradients",
      "--batch", "1,2", "--threads", "2", "--repeat", "2", "--quiet",
    ]
    let report = try JSON.parse(Array(try halftone.run(command + ["--json"]).output.utf8), file: "report")
    guard case .list(let rows)? = report["gradients"] else {
      Issue.record("no gradients in \(report)")
      return
    }
    #expect(rows.map { $0["batch"] } == [.integer(1), .integer(2)])
    for row in rows {
      guard case .number(let float)? = row["float_milliseconds_per_image"],
        case .number(let backward)? = row["backward_milliseconds_per_image"], case .number(let rate)? = row["rate"]
      else {
        Issue.record("incomplete row \(row)")
        continue
      }
      #expect(float > 0 && backward > 0 && abs(rate - 2 * float / backward) < 1e-9 * rate)
    }
    #expect(try halftone.run(command).output.contains("| rate of backward to float |"))
    let refused = try halftone.run(command + ["--ops"])
    #expect(refused.status == 2)
    #expect(
      refused.errors.hasPrefix(
        "error[E-USAGE]: --gradients takes neither --quantized nor --ops nor --driven, and times denoisers only\n"))
  }

  /// Every set but the base, which would take minutes; each beside the float model with the same kernels.
  @Test func kernelSetsAreTimedSideBySide() throws {
    let finished = try halftone.run(
      "bench", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--random-weights", "--compare-isa",
      "--batch", "1", "--threads", "1", "--repeat", "1", "--json", "--quiet")
    #expect(finished.status == 0, "\(finished.errors)")
    let report = try JSON.parse(Array(finished.output.utf8), file: "report")
    guard case .list(let rows)? = report["rows"], case .list(let sets)? = report["instruction_sets"] else {
      Issue.record("no rows in \(finished.output)")
      return
    }
    let expected = KernelTable.available().map(\.instructionSet).filter { $0 != .base }.map(\.rawValue)
    #expect(sets == expected.map { .string($0) })
    #expect(
      rows.map { $0["instruction_set"] } == expected.flatMap { [ConfigurationValue.string($0), .string($0)] })
    for (float, winograd) in zip(rows, rows.dropFirst()) where winograd["model"] == .string("winograd") {
      guard case .number(let direct)? = float["milliseconds_per_image"],
        case .number(let tiles)? = winograd["milliseconds_per_image"],
        case .number(let speedup)? = winograd["speedup_to_float"]
      else {
        Issue.record("incomplete row \(winograd)")
        continue
      }
      #expect(abs(speedup - direct / tiles) < 1e-9 * speedup)
    }
    let refused = try halftone.run("bench", QuantizeTests.model, "--compare-isa", "--driven", "--quiet")
    #expect(refused.status == 2)
    #expect(refused.errors.hasPrefix("error[E-USAGE]: --compare-isa goes with neither --gradients nor --driven\n"))
  }

  /// Names and shapes of a checkpoint's arrays and the configuration beside it tell the network; its values are not needed.
  @Test(arguments: ["f1-ddim-cifar/model-790000.ckpt", "f3-ldm-cin256/model.ckpt"])
  func checkpointsAreTimedWithRandomWeights(file: String) throws {
    let path = Fixtures.path("checkpoints/" + file)
    let finished = try halftone.run(
      "bench", path, "--random-weights", "--batch", "1", "--threads", "1", "--repeat", "1", "--json", "--quiet")
    #expect(finished.status == 0, "\(finished.errors)")
    #expect(finished.output.contains("\"model\":\"winograd\""), "\(finished.output)")
    let refused = try halftone.run("bench", path, "--random-weights", "--heads", "3", "--quiet")
    #expect(refused.status == 3, "\(refused.errors)")
  }

  @Test func aQuantisedModelHasNoRandomWeights() throws {
    let refused = try halftone.run(
      "bench", Fixtures.path("artefacts/schema-1.safetensors"), "--random-weights", "--quiet")
    #expect(refused.status == 2)
    #expect(refused.errors.hasPrefix("error[E-MODEL-ROLE]: 'bench' needs a float model; "), "\(refused.errors)")
  }

  @Test func missedSpeedupIsAFailedCheck() throws {
    let finished = try halftone.run(
      "bench", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--random-weights", "--quantized",
      "rtn-w8a8", "--batch", "1", "--threads", "1", "--repeat", "1", "--require-speedup", "1000", "--quiet")
    #expect(finished.status == 1)
    #expect(finished.output.contains("| rtn-w8a8 |"))
    #expect(finished.errors == "")
  }

  @Test func drivenRoundsAnswerLineByLine() throws {
    let command = [
      "bench", QuantizeTests.model, "--scheduler", QuantizeTests.scheduler, "--random-weights", "--quantized",
      "rtn-w8a8", "--driven", "--quiet",
    ]
    let finished = try halftone.run(command, input: "1 1\n2 3\n")
    #expect(finished.status == 0, "\(finished.errors)")
    let lines = finished.output.split(separator: "\n")
    #expect(lines.count == 2)
    for line in lines {
      let answer = try JSON.parse(Array(line.utf8), file: "answer")
      for variant in ["float", "rtn-w8a8"] {
        guard case .number(let seconds)? = answer[variant]?["seconds"] else {
          Issue.record("no \(variant) in \(line)")
          continue
        }
        #expect(seconds > 0)
      }
    }
    let refused = try halftone.run(command, input: "0 1\n")
    #expect(refused.status == 3)
    #expect(refused.errors == "error[E-BENCH-LINE]: standard input: \"0 1\", expected THREADS BATCH\n")
  }

  @Test func usageErrorsAreNamed() throws {
    let finished = try halftone.run("bench", "fashion-mnist-ddpm", "--batch", "0")
    #expect(finished.status == 2)
    #expect(finished.errors.hasPrefix("error[E-USAGE]: --batch 0: expected 1 to 4096\n"))
    let gate = try halftone.run("bench", "fashion-mnist-ddpm", "--require-speedup", "2")
    #expect(gate.status == 2)
    #expect(gate.errors.hasPrefix("error[E-USAGE]: --require-speedup needs --quantized\n"))
  }
}
