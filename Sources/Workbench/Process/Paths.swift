import Foundation

/// `name` inside `folder`; no slash is doubled and none is lost.
package func joined(_ folder: String, _ name: String) -> String { (folder as NSString).appendingPathComponent(name) }

/// The folder that holds `path`.
package func parentFolder(of path: String) -> String {
  // Not NSString's: that traps where the whole path is a name of one letter.
  let named = path.utf8.lastIndex { $0 != UInt8(ascii: "/") }
  guard let named else { return path.isEmpty ? "." : "/" }
  guard let slash = path.utf8[...named].lastIndex(of: UInt8(ascii: "/")) else { return "." }
  guard let end = path.utf8[..<slash].lastIndex(where: { $0 != UInt8(ascii: "/") }) else { return "/" }
  return String(path[..<path.utf8.index(after: end)])
}

/// The last part of `path`.
package func fileName(of path: String) -> String {
  (URL(fileURLWithPath: path).standardized.path as NSString).lastPathComponent
}

/// The last part of `path` without the ending of a model's or preset's file: what things made from it are named after.
package func stem(of path: String) -> String {
  let name = fileName(of: path)
  let known = (CheckpointFile.endings + [".yaml"]).first { name.hasSuffix($0) }
  return String(name.dropLast(known?.count ?? 0))
}
