import Formats
import Foundation
import Tensors
import TestSupport
import Testing

/// `stats` killed while it computes features, and started again.
@Suite(.serialized) struct FeatureResumeTests {
  private let halftone = Launcher()

  @Test func aKilledRunGoesOnFromItsFinishedLeaves() throws {
    let temporary = try TemporaryFolder()
    let samples = temporary.file("samples.npz")
    let pixels = (0..<3000 * 784).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
    try NPZ.write(TensorArchive(tensors: ["arr_0": StoredTensor(dims: [3000, 28, 28, 1], pixels)]), to: samples)
    func command(_ out: String) -> [String] {
      ["stats", samples, "--out", temporary.file(out), "--threads", "1", "--batch", "2"]
    }
    func leaves() -> [String] {
      let names = try? FileManager.default.contentsOfDirectory(atPath: temporary.file("killed.npz.features"))
      return (names ?? []).filter { $0.hasSuffix(".npz") }.sorted()
    }
    #expect(try halftone.run(command("whole.npz")).status == 0)

    let killed = try halftone.start(command("killed.npz"))
    try killed.waitUntil { leaves().count >= 2 }
    killed.signal(SIGKILL)
    #expect(killed.wait().status == 128 + SIGKILL)
    let kept = leaves()
    #expect(kept.count >= 2 && kept.count < 47)
    #expect(!FileManager.default.fileExists(atPath: temporary.file("killed.npz")))

    // Stopped once more, with notice: it has all leaves that were there, and says how far it is.
    let stopped = try halftone.start(command("killed.npz"))
    try stopped.waitUntil { leaves().count >= kept.count + 2 }
    stopped.signal(SIGTERM)
    let message = stopped.wait()
    #expect(message.status == 143, "\(message.errors)")
    let done = try #require(
      message.errors.split(separator: "\n").first { $0.hasPrefix("stopped[SIGTERM]: ") }?.split(separator: " ")
        .dropFirst()
        .first.flatMap { Int($0) })
    #expect(done >= 64 * (kept.count + 2) && message.errors.contains("hint: the same command goes on from there: "))
    #expect(Set(leaves()).isSuperset(of: kept))

    let finished = try halftone.run(command("killed.npz"))
    #expect(finished.status == 0, "\(finished.errors)")
    let bytes = ["whole.npz", "killed.npz"].map { FileManager.default.contents(atPath: temporary.file($0)) }
    #expect(bytes[0] != nil && bytes[0] == bytes[1])
    #expect(leaves().isEmpty)
  }
}
