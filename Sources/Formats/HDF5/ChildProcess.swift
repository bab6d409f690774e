import Platform
import Tensors

/// A child process with one socket as its standard input and output. It is killed when this object goes.
final class ChildProcess {
  private let process: pid_t
  private let socket: Int32
  private var reaped = false

  /// Starts `executable` with `arguments`; its standard error goes nowhere, because what a crashing reader prints is noise.
  init(_ executable: String, _ arguments: [String]) throws(HDF5Problem) {
    var pair: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else {
      throw .start(String(cString: strerror(errno)))
    }
    defer { Platform.close(pair[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var environment = Self.environment()
    var argv = ([executable] + arguments).map { strdup($0) } + [nil]
    defer { (argv + environment).forEach { free($0) } }
    var process: pid_t = 0
    let status = posix_spawn(&process, executable, &actions, &attributes, &argv, &environment)
    guard status == 0 else {
      Platform.close(pair[0])
      throw .start("\(executable): \(String(cString: strerror(status)))")
    }
    self.process = process
    socket = pair[0]
  }

  deinit {
    Platform.close(socket)
    if !reaped {
      kill(process, SIGKILL)
      _ = retrying { waitpid(process, nil, 0) }
    }
  }

  /// This process's environment, without OpenBLAS starting threads and without Swift's crash reporter in the child.
  private static func environment() -> [UnsafeMutablePointer<CChar>?] {
    var entries: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if !text.hasPrefix("SWIFT_BACKTRACE=") && !text.hasPrefix("OPENBLAS_NUM_THREADS=") {
        entries.append(strdup(entry))
      }
      next += 1
    }
    return entries + [strdup("SWIFT_BACKTRACE=enable=no"), strdup("OPENBLAS_NUM_THREADS=1"), nil]
  }

  func send(_ bytes: [UInt8]) throws(HDF5Problem) {
    var done = 0
    while done < bytes.count {
      let sent = bytes.withUnsafeBytes { buffer in
        retrying { Platform.send(socket, buffer.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL)) }
      }
      if sent <= 0 { throw .crash(howItEnded()) }
      done += sent
    }
  }

  /// Exactly `count` bytes, waiting at most `seconds` for each part of them.
  func receive(_ count: Int, seconds: Int) throws(HDF5Problem) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      let ready = retrying { poll(&waiting, 1, Int32(clamping: seconds * 1000)) }
      if ready == 0 { throw .timeout(seconds: seconds) }
      let got = bytes.withUnsafeMutableBytes { buffer in
        retrying { recv(socket, buffer.baseAddress! + done, count - done, 0) }
      }
      if got <= 0 { throw .crash(howItEnded()) }
      done += got
    }
    return bytes
  }

  /// How the child ended; it has closed its socket, so it has ended or is about to.
  private func howItEnded() -> String {
    var status: Int32 = 0
    guard !reaped, retrying({ waitpid(process, &status, 0) }) == process else { return "it has ended" }
    reaped = true
    let signal = status & 0x7f
    return signal != 0 ? "signal \(signal), \(String(cString: strsignal(signal)))" : "exit status \(status >> 8 & 0xff)"
  }
}
