import Formats
import Graphs
import Platform
import Quantization
import Tensors

/// The finished regions of a quantisation that is under way, and the state of the one that is not, a file each in a folder
/// beside its output. A file counts when it names the same work (model, recipe, calibration set, program) and its arrays
/// have the digest it states; others are made again.
package struct ReconstructionFolder: ReconstructionJournal {
  private static let key = "halftone"
  let path: String
  /// Digest of everything that decides what the regions become.
  let identity: String
  let note: @Sendable (String) -> Void

  /// - Parameter output: the quantised model's path.
  init(
    beside output: String, recipe: Recipe, lineage: QuantizedModel.Lineage, note: @escaping @Sendable (String) -> Void
  ) {
    path = output + ".partial"
    let work: ConfigurationValue = [
      "recipe": recipe.encode(), "model": .string(lineage.sourceDigest),
      "calibration": lineage.calibrationDigest.map { .string($0) } ?? .null, "program": .string(lineage.program),
    ]
    identity = Digest.sha256(Array(JSONWriter.compact(work).utf8))
    self.note = note
  }

  package func finished(_ number: Int, name: String) throws -> ReconstructedRegion? {
    let file = self.file(number)
    guard let tensors = read(file, name) else { return nil }
    var region = ReconstructedRegion()
    for (array, tensor) in tensors {
      let parts = array.split(separator: ":", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return nil }
      switch parts[0] {
      case "codes" where tensor.type == .u8: region.codes[parts[1]] = tensor.bytes
      case "scales" where tensor.type == .f32: region.scales[parts[1]] = tensor.floats()?.values
      case "bias" where tensor.type == .f32: region.biases[parts[1]] = tensor.floats()
      case "steps" where tensor.type == .f32:
        guard let site = Site(parts[1]) else { return nil }
        region.steps[site] = tensor.floats()?.values
      default: return nil
      }
    }
    note("\(name): taken from \(file)")
    return region
  }

  package func record(_ region: ReconstructedRegion, _ number: Int, name: String) throws {
    var tensors: [String: StoredTensor] = [:]
    for (layer, codes) in region.codes { tensors["codes:\(layer)"] = StoredTensor(dims: [codes.count], codes) }
    for (layer, scales) in region.scales { tensors["scales:\(layer)"] = StoredTensor(Tensor([scales.count], scales)) }
    for (parameter, bias) in region.biases { tensors["bias:\(parameter)"] = StoredTensor(bias) }
    for (site, scales) in region.steps { tensors["steps:\(site)"] = StoredTensor(Tensor([scales.count], scales)) }
    try write(tensors.map { WeightEntry(name: $0, type: $1.type, dims: $1.dims) }, name, to: file(number)) {
      tensors[$0]?.bytes ?? []
    }
    unlink(stateFile(number))
  }

  package func unfinished(_ number: Int, name: String) throws -> RegionState? {
    let file = stateFile(number)
    guard var tensors = read(file, name),
      let counters = tensors.removeValue(forKey: Self.counters)?.integers(Int64.self), counters.count == 2,
      let iteration = Int(exactly: counters[0]), let drawn = Int(exactly: counters[1])
    else { return nil }
    note("\(name): goes on after iteration \(iteration), from \(file)")
    return RegionState(iteration: iteration, drawn: drawn, arrays: tensors.compactMapValues { $0.floats()?.values })
  }

  package func keep(_ state: RegionState, _ number: Int, name: String) throws {
    let counters = StoredTensor(dims: [2], [Int64(state.iteration), Int64(state.drawn)])
    var entries = state.arrays.map { WeightEntry(name: $0, type: .f32, dims: [$1.count]) }
    entries.append(WeightEntry(name: Self.counters, type: counters.type, dims: counters.dims))
    try write(entries, name, to: stateFile(number)) { array in
      state.arrays[array].map { StoredTensor(Tensor([$0.count], $0)).bytes } ?? counters.bytes
    }
  }

  private static let counters = "iteration, draws"

  private func read(_ file: String, _ name: String) -> [String: StoredTensor]? {
    guard Folder.kind(of: file) == .file, let archive = try? Safetensors.read(file),
      archive.metadata["identity"] == identity, archive.metadata["region"] == name,
      archive.metadata["digest"] == Self.digest(Array(archive.tensors.keys), { archive.tensors[$0]?.bytes ?? [] })
    else { return nil }
    return archive.tensors
  }

  /// - Parameter bytes: of an array, asked for twice: the state of a large network is never in memory a second time.
  private func write(
    _ entries: [WeightEntry], _ name: String, to file: String, _ bytes: (String) -> [UInt8]
  ) throws {
    try Folder.create(path)
    let digest = Self.digest(entries.map(\.name), bytes)
    try Safetensors.write(
      entries, metadata: ["identity": identity, "region": name, "digest": digest], to: file
    ) { entry, put in try put(bytes(entry.name)) }
  }

  /// Removes the folder once the output stands.
  func remove() throws {
    guard Folder.kind(of: path) == .folder else { return }
    try TemporaryFiles.removeStale(in: path)
    for name in try Folder.names(in: path) where name.hasSuffix(".safetensors") { unlink(joined(path, name)) }
    // Stays when somebody has put something else there.
    rmdir(path)
  }

  private func file(_ number: Int) -> String { joined(path, "\(number).safetensors") }
  private func stateFile(_ number: Int) -> String { joined(path, "\(number).state.safetensors") }

  private static func digest(_ names: [String], _ bytes: (String) -> [UInt8]) -> String {
    var digest = Digest.Incremental()
    for name in names.sorted() {
      digest.update(Array(name.utf8))
      digest.update(bytes(name))
    }
    return digest.finish()
  }
}
