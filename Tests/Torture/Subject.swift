import Foundation

/// A command under test: what it is called with, in a working directory of its own, and what it must leave there.
struct Subject {
  let name: String
  /// Paths of results are relative, those of inputs are not.
  let arguments: [String]
}

/// What stands in a working directory, by relative path.
struct FolderContent {
  let files: [String: Data]

  init(of folder: String) {
    var files: [String: Data] = [:]
    let root = URL(fileURLWithPath: folder).standardizedFileURL.resolvingSymlinksInPath().path + "/"
    if let walk = FileManager.default.enumerator(
      at: URL(fileURLWithPath: root), includingPropertiesForKeys: [.isRegularFileKey], options: [])
    {
      for case let url as URL in walk {
        let path = url.resolvingSymlinksInPath().path
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, path.hasPrefix(root) else { continue }
        files[String(path.dropFirst(root.count))] = FileManager.default.contents(atPath: path) ?? Data()
      }
    }
    self.files = files
  }

  /// Files whose bytes are promised: images, arrays, models and calibration sets, in their final places. Reports hold times
  /// and numbers of processes.
  var results: [String: Data] { files.filter { Self.isResult($0.key) } }

  private static func isResult(_ path: String) -> Bool {
    !isIntermediate(path) && ["png", "npz", "h5", "safetensors"].contains { path.hasSuffix("." + $0) }
      && !path.contains("/.")
  }

  /// Kept work of commands that were stopped.
  private static func isIntermediate(_ path: String) -> Bool {
    path.contains(".partial/") || path.contains(".features/") || path.contains(".units/")
  }

  /// Files of writers that are at work or were killed.
  var temporary: [String] {
    files.keys.filter { $0.split(separator: "/").last.map { $0.hasPrefix(".") && $0.hasSuffix(".tmp") } ?? false }
      .sorted()
  }

  /// What is wrong here beside `undisturbed`, when work may have been left undone: results that are not those, whole; texts of JSON that
  /// end early.
  func damage(beside undisturbed: FolderContent) -> [String] {
    let expected = undisturbed.results
    var found: [String] = []
    for (path, data) in results.sorted(by: { $0.key < $1.key }) {
      if let wanted = expected[path] {
        if data != wanted {
          found.append("\(path): \(data.count) bytes, not the \(wanted.count) of the undisturbed run")
        }
      } else {
        found.append("\(path): the undisturbed run leaves no such file")
      }
    }
    for (path, data) in files where path.hasSuffix(".json") && !path.contains("/.") {
      if (try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)) == nil {
        found.append("\(path): not JSON, \(data.count) bytes")
      }
    }
    return found
  }

  /// What is wrong here when all work should be done: besides damage, files that are missing or too many.
  func difference(from undisturbed: FolderContent) -> [String] {
    let missing = Set(undisturbed.files.keys).subtracting(files.keys).sorted().map { "\($0): missing" }
    let added = Set(files.keys).subtracting(undisturbed.files.keys).sorted().map { "\($0): left behind" }
    return damage(beside: undisturbed) + missing + added
  }
}
