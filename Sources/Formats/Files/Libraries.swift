import CHDF5
import CZlib

/// The libraries that this module reads and writes files with.
package enum Libraries {
  /// Names and the versions that run, which may be others than those that the program was built with.
  package static var versions: [(name: String, version: String)] {
    var (major, minor, release) = (UInt32(0), UInt32(0), UInt32(0))
    let known = H5get_libversion(&major, &minor, &release) >= 0
    return [
      ("HDF5", known ? "\(major).\(minor).\(release)" : "unknown"), ("zlib", String(cString: zlibVersion())),
    ]
  }
}
