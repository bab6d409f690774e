import Foundation

/// `name` inside `folder`; no slash is doubled and none is lost.
package func joined(_ folder: String, _ name: String) -> String { (folder as NSString).appendingPathComponent(name) }

/// The folder that holds `path`.
package func parentFolder(of path: String) -> String {
  let parent = (path as NSString).deletingLastPathComponent
  return parent.isEmpty ? "." : parent
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
