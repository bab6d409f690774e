import Foundation
import Tensors

/// Files under Tests/Fixtures, found by where this source file stands.
package enum Fixtures {
  package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures")

  package static func path(_ relative: String) -> String { root.appending(path: relative).path }

  /// A file of the golden values: `golden("unet-ddpm/io.npz")`.
  package static func golden(_ relative: String) -> String { path("golden/" + relative) }
}

/// The project's measure of disagreement: max |a - b| / max |b|. Differing counts, and NaN anywhere, are infinitely far.
package func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  guard a.count == b.count, !(a + b).contains(where: \.isNaN) else { return .infinity }
  let difference = zip(a, b).map { abs(Double($0) - Double($1)) }.max() ?? 0
  let size = b.map { abs(Double($0)) }.max() ?? 0
  return difference == 0 ? 0 : difference / size
}

package func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
  a.dims == b.dims ? relativeError(a.values, b.values) : .infinity
}

/// The error that `body` throws, or nil when it throws none.
package func thrownError(_ body: () throws -> Void) -> (any Error)? {
  do {
    try body()
    return nil
  } catch {
    return error
  }
}

extension SplitMix64 {
  package init(seed: UInt64) { self.init(seed) }
}

/// Makes the file at `path` a program.
package func makeExecutable(_ path: String) -> Bool {
  (try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)) != nil
}
