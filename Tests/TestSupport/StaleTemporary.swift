import Formats
import Foundation

/// Puts a file in `folder` as a writer of this host leaves it when it is killed. - Returns: its path.
package func staleTemporary(in folder: String) throws -> String {
  var name = ""
  try AtomicFile.withTemporary(for: folder + "/.probe") { name = ($0 as NSString).lastPathComponent }
  unlink(folder + "/.probe")
  let fields = name.split(separator: "-")
  // No process has this number: it is beyond what Linux gives out.
  let path = "\(folder)/\(fields[0])-\(fields[1])-999999999-1.tmp"
  try Data().write(to: URL(fileURLWithPath: path))
  return path
}
