import Foundation
import Formats
import TestSupport
import Testing

/// `doctor`, and what `make install` makes of the program's own texts.
@Suite struct DoctorTests {
  let halftone = Launcher()

  @Test func whatRunsIsSaid() throws {
    let finished = try halftone.run("doctor")
    #expect(finished.status == 0 && finished.errors.isEmpty, "\(finished.errors)")
    let names = finished.output.split(separator: "\n").compactMap { $0.split(separator: ":").first.map(String.init) }
    #expect(
      names.starts(with: ["program", "models and presets", "processor", "kernels", "memory", "disk", "libraries"]))
    #expect(finished.output.contains("HDF5 1.") && finished.output.contains("OpenBLAS "))
    let json = try halftone.run("doctor", "--json")
    #expect(try JSON.parse(Array(json.output.utf8), file: "doctor")["broken"] == [])
  }

  @Test func slowKernelsAndMissingModelsAreNamed() throws {
    var slow = halftone
    slow.environment["HALFTONE_ISA"] = "base"
    let finished = try slow.run("doctor")
    #expect(finished.status == 0)
    #expect(finished.output.contains("slow: the base kernels run, tens of times slower than AVX2's"))
    let temporary = try TemporaryFolder()
    var lost = halftone
    lost.environment["HALFTONE_HOME"] = temporary.path
    let broken = try lost.run("doctor")
    #expect(broken.status == 1)
    #expect(broken.output.contains("broken: HALFTONE_HOME "), "\(broken.output)")
  }

  /// OpenBLAS reads the variable when it is loaded; what it names runs, and is said where the processor can do better.
  @Test func theUsersKernelsOfOpenBLASStand() throws {
    var old = halftone
    old.environment["OPENBLAS_CORETYPE"] = "Prescott"
    let finished = try old.run("doctor")
    #expect(finished.status == 0 && finished.output.contains("kernels of Prescott"), "\(finished.output)")
    #expect(!finished.output.contains(" in place of "))
    let hasBetter = !finished.output.contains("base can run; base runs")
    #expect(finished.output.contains("slow: OpenBLAS runs the kernels of Prescott, and those of ") == hasBetter)
  }

  @Test func theManualHasEveryCommand() throws {
    let page = try halftone.run("__manual").output
    #expect(page.hasPrefix(".Dd ") && page.contains(".Nm halftone\n"))
    let help = try halftone.run("--help").output
    #expect(!help.contains("__manual"))
    for name in ["sample", "quantize", "export", "inspect", "doctor"] {
      #expect(help.contains("  \(name) ") && page.contains(".Ss \(name)\n"))
    }
    // What a formatter would take as a request is none of ours by accident.
    let requests: Set<String> = [".Dd", ".Dt", ".Os", ".Sh", ".Nm", ".Nd", ".Ar", ".Op", ".Bd", ".Ed", ".Ss"]
    for line in page.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
      #expect(requests.contains(String(line.prefix(3))), "\(line)")
    }
    for shell in ["bash", "zsh", "fish"] {
      #expect(try halftone.run("--generate-completion-script", shell).output.contains("quantize"))
    }
  }
}
