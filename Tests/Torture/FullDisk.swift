import Foundation

extension TrialBench {
  /// The command on a file system that is too small, in bytes and in files; then with room made for it.
  func fullDisk(_ extent: Extent) throws {
    let points = max(2, extent.points)
    let needed = undisturbed.files.values.reduce(0) { $0 + ($1.count + 8191) / 4096 * 4 }
    for (kind, options) in [
      ("full disk", (0..<points).map { "size=\(4 + $0 * needed / points)k" }),
      (
        "disk out of files",
        (0..<points).map { "size=64m,nr_inodes=\(2 + $0 * (undisturbed.files.count + 12) / points)" }
      ),
    ] {
      try row(kind) { row in
        for option in options {
          let folder = try freshFolder()
          guard try mount(folder, option) else {
            row.skipped = "a tmpfs cannot be mounted here (needs root)"
            try? FileManager.default.removeItem(atPath: folder)
            return
          }
          defer {
            _ = try? self.tool("umount", "--lazy", folder)
            try? FileManager.default.removeItem(atPath: folder)
          }
          try trial(&row, .none, in: folder) { folder in
            guard try self.tool("mount", "-o", "remount,size=64m,nr_inodes=10000", folder) else {
              throw Failure("\(folder) cannot be made larger")
            }
            return folder
          }
        }
      }
    }
  }

  private func mount(_ folder: String, _ options: String) throws -> Bool {
    guard geteuid() == 0 else { return false }
    return try tool("mount", "-t", "tmpfs", "-o", options, "halftone-torture", folder)
  }

  private func tool(_ arguments: String...) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}
