import Formats
import TestSupport
import Workbench

/// Inner parts of files as inputs of their own: what changes them is not stopped by the lengths and checksums around them.
extension FuzzCatalog {
  static func parts() throws -> [FuzzReader] {
    let artefact = try fixture("fuzz/seeds/artefact.safetensors")
    let archive = try SafetensorsFile(InputFile(bytes: artefact, name: "seed")).archive()
    let key = "halftone"
    let assets = try Assets.locate()
    let pickles = try ["state", "module"].map { name in
      try ZipMembers.all(of: fixture("pytorch/\(name).pth")).first { $0.name.hasSuffix("/data.pkl") }?.bytes ?? []
    }
    return [
      FuzzReader("artefact-header", .text, seeds: [Array((archive.metadata[key] ?? "").utf8)]) { input in
        var changed = archive
        // Metadata is text: what is not valid UTF-8 the writer could not say.
        changed.metadata[key] = String(decoding: input, as: UTF8.self)
        let model = try QuantizedModelFile.model(in: changed, file: "input")
        _ = try ModelSource(artefact: model, path: "input", digest: "", weightsFileBytes: 0)
          .sampler(nil, assets: assets)
      },
      FuzzReader("pickle", .pickle, seeds: pickles) { input in
        let members = [("archive/data.pkl", input), ("archive/byteorder", Array("little".utf8))]
        let storages = ["0", "1", "2"].map { ("archive/data/" + $0, [UInt8](repeating: 1, count: 64)) }
        _ = try PyTorchFile(InputFile(bytes: storedZip(members + storages), name: "input.pth")).archiveInMemory()
      },
    ]
  }
}
