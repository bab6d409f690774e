import Formats
import Foundation

/// The halftone program that was built together with the running one.
package enum BuiltProgram {
  /// It stands beside the test bundle, which is the running executable.
  package static let path = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "halftone").path

  /// What reads HDF5 files in tests.
  package static let reader = HDF5Reader(program: path)
}
