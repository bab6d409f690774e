import Formats
import Foundation
import Platform
import Tensors

/// `doctor`: what the program runs on and with, what is broken, and what would be slow and why.
package struct DoctorCommand: Sendable {
  package var json: Bool

  package init(json: Bool) { self.json = json }

  /// - Parameter assets: the models and presets, or why there are none.
  /// - Returns: `gateFailed` when something that the program needs is missing.
  package func run(assets: Result<Assets, any Error>, _ console: Console) throws -> ExitStatus {
    let examination = Examination(assets: assets)
    try json ? console.result(json: examination.value) : console.result(examination.text)
    return examination.problems.isEmpty ? .success : .gateFailed
  }
}

/// What `doctor` found.
struct Examination {
  private var facts: [(name: String, text: String)] = []
  /// What keeps the program from working.
  private(set) var problems: [String] = []
  /// What makes it slow, or smaller than it could be.
  private(set) var slow: [String] = []

  /// Below it, the networks that people publish do not fit.
  private static let smallMemory = 4 << 30
  private static let smallDisk = 1 << 30

  init(assets: Result<Assets, any Error>) {
    facts.append(("program", "halftone \(halftoneVersion), \(executablePath)"))
    #if DEBUG
      slow.append(
        "the program was built without optimisation, which makes it some hundred times slower: build with -c release")
    #endif
    examine(assets)
    examineProcessor()
    examineMemory()
    examineLibraries()
  }

  private mutating func examineLibraries() {
    let libraries = Libraries.versions.map { "\($0.name) \($0.version)" } + [OpenBLAS.version]
    facts.append(("libraries", libraries.joined(separator: "; ")))
    if let better = OpenBLAS.betterKernels {
      slow.append(
        "OpenBLAS runs the kernels of \(OpenBLAS.kernels), and those of \(better) can run: rounding by second moments, learning by "
          + "gradients and Fréchet distances take several times longer; unset OPENBLAS_CORETYPE, or set it to \(better)"
      )
    }
  }

  private mutating func examine(_ assets: Result<Assets, any Error>) {
    switch assets {
    case .success(let assets): facts.append(("models and presets", assets.root))
    case .failure(let error): problems.append((error as? any HalftoneError)?.message ?? "\(error)")
    }
  }

  private mutating func examineProcessor() {
    let machine = Machine.current
    facts.append(("processor", "\(machine.processor), \(machine.logicalCores) logical cores"))
    if machine.logicalCores == 1 { slow.append("one core: every step is computed by itself") }
    if let quota = SystemFacts.processorQuota, quota < Double(machine.logicalCores) {
      slow.append(
        "the control group grants \(fixed(quota, 1)) of \(machine.logicalCores) cores: give --threads \(max(Int(quota), 1))"
      )
    }
    let available = KernelTable.available().map(\.name)
    do {
      let runs = try KernelTable.selected().name
      facts.append(("kernels", "\(available.joined(separator: ", ")) can run; \(runs) runs"))
      switch InstructionSet(rawValue: runs) {
      case .base: slow.append("the base kernels run, tens of times slower than AVX2's: for small networks only")
      case .avx2:
        slow.append(
          "AVX2 has no instruction that sums products of bytes in 32 bits: integer models gain less over float ones than with "
            + "VNNI, and most with weights of 7 bits or fewer")
      case .avxvnni, .avx512vnni, .amx, nil: break
      }
      if let last = available.last, last != runs { slow.append("HALFTONE_ISA chooses \(runs), and \(last) can run") }
    } catch {
      problems.append(error.message)
    }
  }

  private mutating func examineMemory() {
    let room = MemoryBudget.room()
    facts.append(("memory", "\(shown(bytes: room.bytes)) may be used, by \(room.bound.rawValue)"))
    if room.bytes < Self.smallMemory {
      slow.append("little memory: networks above some \(room.bytes >> 23) million parameters are refused")
    }
    if let disk = Folder.available(at: ".") {
      facts.append(("disk", "\(shown(bytes: disk)) free here"))
      if disk < Self.smallDisk { slow.append("little disk: calibration sets and runs of many images take gigabytes") }
    }
  }

  // MARK: For people and machines

  var text: String {
    var lines = facts.map { "\($0.name): \($0.text)" }
    lines += problems.map { "broken: \($0)" } + slow.map { "slow: \($0)" }
    if problems.isEmpty, slow.isEmpty { lines.append("nothing is missing, and nothing here makes it slow") }
    return lines.joined(separator: "\n")
  }

  var value: ConfigurationValue {
    .map(
      facts.map { .init($0.name.replacing(" ", with: "_"), .string($0.text)) } + [
        .init("broken", .list(problems.map { .string($0) })), .init("slow", .list(slow.map { .string($0) })),
      ])
  }
}
