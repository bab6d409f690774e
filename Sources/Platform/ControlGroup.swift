/// The memory controller of the control group this process runs in (cgroup v1 or v2): containers and batch systems set it.
package struct ControlGroup {
  /// What to read in one group's folder.
  private struct Files {
    let folder: String
    let limit: String
    let usage: String
    /// The key in memory.stat of pages that the kernel gives back when asked.
    let reclaimable: String
  }

  /// This process's group and those above it, whose limits hold too.
  private let groups: [Files]

  package static let own = ControlGroup()

  private init() {
    var groups: [Files] = []
    for line in (kernelFile("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isUnified = fields[0] == "0" && fields[1].isEmpty
      guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
      // Inside a container the path may name a folder that only the host sees; the mount's root is then the group.
      var parts = fields[2].split(separator: "/")
      while true {
        let path = (["/sys/fs/cgroup"] + (isUnified ? [] : ["memory"]) + parts.map(String.init)).joined(separator: "/")
        groups.append(
          isUnified
            ? Files(folder: path, limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file")
            : Files(
              folder: path, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
              reclaimable: "total_inactive_file"))
        if parts.isEmpty { break }
        parts.removeLast()
      }
    }
    self.groups = groups.filter { Self.limit(of: $0) != nil }
  }

  /// No limit is "max" in v2, and some number near 2^63 in v1.
  private static func limit(of group: Files) -> Int? {
    let text = kernelFile("\(group.folder)/\(group.limit)")?.prefix { $0.isNumber }
    return text.flatMap { Int($0) }.flatMap { $0 < 1 << 60 ? $0 : nil }
  }

  /// What the tightest of the groups leaves; nil where none has a limit.
  package func room() -> Int? {
    groups.compactMap { group in
      guard let limit = Self.limit(of: group),
        let used = kernelFile("\(group.folder)/\(group.usage)").flatMap({ Int($0.prefix { $0.isNumber }) })
      else { return nil }
      return limit - used + reclaimable(in: group)
    }.min()
  }

  private func reclaimable(in group: Files) -> Int {
    let lines = (kernelFile("\(group.folder)/memory.stat") ?? "").split(separator: "\n")
    let line = lines.first { $0.hasPrefix(group.reclaimable + " ") }
    return line.flatMap { Int($0.dropFirst(group.reclaimable.utf8.count + 1)) } ?? 0
  }
}
