import Tensors

/// The file of weights in a network's folder, by the names that Hugging Face's libraries give: `diffusion_pytorch_model`, `model`
/// or `pytorch_model`, then a variant (`.fp16`) or none, then `.safetensors` or `.bin`, in one file or with an index of several.
package struct WeightFolder: Sendable {
  /// The file, or the index of several.
  package let path: String
  package let notes: [String]

  private static let stems = ["diffusion_pytorch_model", "model", "pytorch_model"]
  private static let containers = ["safetensors", "bin"]
  private static let others = [".safetensors", ".bin", ".ckpt", ".pt", ".pth"]

  private struct Candidate {
    let name: String
    let variant: String?
    /// Safetensors before .bin, one file before several, then the order of `stems`.
    let rank: Int

    init?(_ name: String) {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard let stem = WeightFolder.stems.firstIndex(of: parts[0]),
        let place = parts.firstIndex(where: WeightFolder.containers.contains),
        let container = WeightFolder.containers.firstIndex(of: parts[place])
      else { return nil }
      // Variants stand before the container, or in an index between its last two parts.
      let before = parts[1..<place]
      let after = parts[(place + 1)...]
      let isIndex = after.first == "index" && after.last == "json" && (2...3).contains(after.count)
      guard before.count <= 1, after.isEmpty || isIndex else { return nil }
      self.name = name
      variant = before.first ?? (after.count == 3 ? after.dropFirst().first : nil)
      rank = (container * 2 + (isIndex ? 1 : 0)) * WeightFolder.stems.count + stem
    }
  }

  /// - Parameter variant: the one to take; nil for the plain files, or for the only variant where there are none.
  package init(_ folder: String, variant: String? = nil) throws {
    let listing = try Folder.listing(of: folder)
    let names = listing.names.filter { Folder.kind(of: "\(folder)/\($0)") == .file }
    let candidates = names.compactMap(Candidate.init).sorted { ($0.rank, $0.name) < ($1.rank, $1.name) }
    guard !candidates.isEmpty else {
      self = try Self.only(names, unreachable: listing.unreachable, folder)
      return
    }
    let variants = Set(candidates.compactMap(\.variant)).sorted()
    let hasPlain = candidates.contains { $0.variant == nil }
    var notes: [String] = []
    if !listing.unreachable.isEmpty {
      let names = listedLines(listing.unreachable).joined(separator: ", ")
      notes.append("passed over in \(folder), as their names are not UTF-8: \(names)")
    }
    let taken: String?
    if let variant {
      guard variants.contains(variant) else {
        throw FormatError.weights(folder, .variants(candidates.map(\.name), asked: variant))
      }
      taken = variant
    } else if hasPlain || variants.isEmpty {
      taken = nil
    } else {
      guard variants.count == 1 else {
        throw FormatError.weights(folder, .variants(candidates.map(\.name), asked: nil))
      }
      taken = variants[0]
    }
    let fitting = candidates.filter { $0.variant == taken }
    path = "\(folder)/\(fitting[0].name)"
    if variant == nil, taken != nil { notes.append("took \(fitting[0].name), the only weights in \(folder)") }
    if fitting.count > 1 {
      let unread = fitting.dropFirst().map(\.name).joined(separator: ", ")
      notes.append("took \(fitting[0].name); beside it, not read: \(unread)")
    }
    self.notes = notes
  }

  private init(path: String, notes: [String]) { (self.path, self.notes) = (path, notes) }

  /// A folder with one file of weights under any other name.
  private static func only(_ names: [String], unreachable: [String], _ folder: String) throws -> WeightFolder {
    func mayHoldWeights(_ name: String) -> Bool { others.contains { name.hasSuffix($0) } || ShardIndex.isIndex(name) }
    let found = names.filter(mayHoldWeights)
    if found.isEmpty, let name = unreachable.first(where: mayHoldWeights) {
      throw FormatError.file("\(folder)/\(name)", .badName("it is not UTF-8"))
    }
    guard found.count == 1 else { throw FormatError.weights(folder, .noWeights(found: found)) }
    return WeightFolder(path: "\(folder)/\(found[0])", notes: ["took \(found[0]), the only weights in \(folder)"])
  }
}
