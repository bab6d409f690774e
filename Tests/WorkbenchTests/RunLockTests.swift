import Formats
import Foundation
import TestSupport
import Testing
import Workbench

@Suite struct RunLockTests {
  let temporary: TemporaryFolder
  var folder: String { temporary.path }

  init() throws { temporary = try TemporaryFolder() }

  @Test func secondHolderIsRefusedAndNamed() throws {
    let lock = try RunLock(folder: folder)
    let expected = RunError.locked(folder: folder, holder: .current)
    // flock belongs to the open file, so a second lock in this process is refused as another process's would be.
    #expect(throws: expected) { try RunLock(folder: folder) }
    #expect(expected.exit.rawValue == 4)
    #expect(expected.message == "\(folder) is in use by process \(getpid()) on \(LockHolder.current.host)")
    withExtendedLifetime(lock) {}
  }

  @Test func releaseRemovesTheFile() throws {
    do {
      let lock = try RunLock(folder: folder)
      #expect(FileManager.default.fileExists(atPath: lock.path))
    }
    #expect(!FileManager.default.fileExists(atPath: folder + "/lock"))
    _ = try RunLock(folder: folder)
  }

  @Test func lockOfADeadProcessIsTakenOver() throws {
    // A killed process leaves its words in the file, and the system has dropped its advisory lock.
    try "\(LockHolder.current.host) 999999999\n".write(toFile: folder + "/lock", atomically: true, encoding: .utf8)
    let lock = try RunLock(folder: folder)
    #expect(lock.replaced == LockHolder(host: LockHolder.current.host, process: 999_999_999))
    let text = try String(contentsOfFile: folder + "/lock", encoding: .utf8)
    #expect(text == "\(LockHolder.current.host) \(getpid())\n")
  }

  @Test func folderThatIsNotThereHoldsNoLock() {
    #expect(throws: FormatError.file("/nonexistent/lock", .notFound)) { try RunLock(folder: "/nonexistent") }
  }
}
