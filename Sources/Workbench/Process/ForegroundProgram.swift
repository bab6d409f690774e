import Foundation
import Tensors

/// A program that is waited for. It stays in this process's group, so that it hears what a terminal sends.
enum ForegroundProgram {
  /// How it ended, and what it was told to stop for.
  struct Ending {
    /// Its exit status, or 128 and the number of the signal that ended it.
    let status: Int32
    let signal: StopSignal?
  }

  /// Why the system does not start a program.
  struct CannotStart: Error {
    let reason: String
  }

  private static let patience: UInt32 = 50_000

  /// Runs a program to its end. The first stop signal is handed on as SIGTERM.
  /// - Parameter pending: the signal that asks this process to stop, if any.
  static func run(_ program: String, _ arguments: [String], pending: () throws -> StopSignal?) throws -> Ending {
    let child = try start(program, arguments)
    var told: StopSignal?
    var status: Int32 = 0
    while true {
      let ended = waitpid(child, &status, WNOHANG)
      if ended == child || (ended < 0 && errno != EINTR) { break }
      if told == nil, let signal = try pending() {
        told = signal
        kill(child, SIGTERM)
      }
      usleep(patience)
    }
    // A terminal's signal may have ended it before this process looked.
    if told == nil, status != 0 { told = try pending() }
    let signal = status & 0x7f
    return Ending(status: signal == 0 ? status >> 8 & 0xff : 128 + signal, signal: told)
  }

  private static func start(_ program: String, _ arguments: [String]) throws(CannotStart) -> pid_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // What this process ignores (`ProcessSetup`) is no wish of its user.
    var defaults = sigset_t()
    sigemptyset(&defaults)
    for number in [SIGPIPE, SIGXFSZ] { sigaddset(&defaults, number) }
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    var argv = ([program] + arguments).map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var child: pid_t = 0
    let status = posix_spawn(&child, program, nil, &attributes, &argv, environ)
    guard status == 0 else { throw CannotStart(reason: String(cString: strerror(status))) }
    return child
  }
}
