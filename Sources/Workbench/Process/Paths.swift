import Foundation

/// `name` inside `folder`; no slash is doubled and none is lost.
package func joined(_ folder: String, _ name: String) -> String { (folder as NSString).appendingPathComponent(name) }

/// The folder that holds `path`.
package func parentFolder(of path: String) -> String {
  let parent = (path as NSString).deletingLastPathComponent
  return parent.isEmpty ? "." : parent
}

/// The last part of `path` without the extension of a file Halftone makes: what things made from it are named after.
package func stem(of path: String) -> String {
  let name = (URL(fileURLWithPath: path).standardized.path as NSString).lastPathComponent
  let known = [".safetensors", ".yaml"].first { name.hasSuffix($0) }
  return String(name.dropLast(known?.count ?? 0))
}
