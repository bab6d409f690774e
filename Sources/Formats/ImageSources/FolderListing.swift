import Tensors

/// What lies in a folder and the folders inside it.
struct FolderListing {
  private(set) var names: [String] = []
  private(set) var skipped: [String] = []

  /// Links to folders are passed over, so that no loop of links can be entered.
  mutating func collect(_ folder: String, prefix: String, depth: Int) throws {
    // In the order of the paths' bytes: "a/b" against "a.png" compares "/" with ".".
    let listing = try Folder.listing(of: folder)
    for name in listing.unreachable {
      skipped.append("\(printable(prefix))\(name) (\(name.hasPrefix(".") ? "hidden" : Self.notUTF8))")
    }
    let entries = listing.names.map { name in
      let kind = Folder.kind(of: "\(folder)/\(name)")
      return (name: name, kind: kind, key: kind == .folder ? name + "/" : name)
    }
    for entry in entries.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      let relative = prefix + entry.name
      let full = "\(folder)/\(entry.name)"
      switch entry.kind {
      case _ where entry.name.hasPrefix("."): skip(relative, "hidden")
      case .folder where Folder.isLink(full): skip(relative, "a link to a folder")
      case .folder where depth == 8: skip(relative, "nested too deep")
      case .folder: try collect(full, prefix: relative + "/", depth: depth + 1)
      case .file:
        if let reason = ImageFiles.reasonToSkip(entry.name) { skip(relative, reason) } else { names.append(relative) }
      case .other: skip(relative, "not a regular file")
      case nil: skip(relative, "a link that leads nowhere")
      }
    }
  }

  private static let notUTF8 = "its name is not UTF-8"

  private mutating func skip(_ name: String, _ reason: String) { skipped.append("\(printable(name)) (\(reason))") }
}
