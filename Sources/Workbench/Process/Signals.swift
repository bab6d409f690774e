import Foundation
import Synchronization
import Tensors

/// The signals that stop a command at a safe point.
package enum StopSignal: CaseIterable, Sendable {
  case hangup, interrupt, terminate, user1

  package var number: Int32 {
    switch self {
    case .hangup: SIGHUP
    case .interrupt: SIGINT
    case .terminate: SIGTERM
    case .user1: SIGUSR1
    }
  }

  package var name: String {
    switch self {
    case .hangup: "SIGHUP"
    case .interrupt: "SIGINT"
    case .terminate: "SIGTERM"
    case .user1: "SIGUSR1"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .hangup: .hungUp
    case .interrupt: .interrupted
    case .terminate: .terminated
    case .user1: .resumable
    }
  }

  /// SIGUSR1 is a cluster's notice ahead of time: the batch at hand is finished. The others discard it, at the next step.
  package var finishesBatch: Bool { self == .user1 }
}

/// Work stopped by a signal, its state on disk valid.
package struct Stopped: HalftoneError, Equatable {
  package let signal: StopSignal
  /// What is done: "12 of 64 images".
  package let progress: String
  /// The command that goes on.
  package let command: String
  package init(signal: StopSignal, progress: String, command: String) {
    self.signal = signal
    self.progress = progress
    self.command = command
  }
  package var id: String { signal.name }
  package var exit: ExitStatus { signal.exit }
  package var message: String { "\(progress) are done and safe" }
  package var hint: String? { "the same command goes on from there: \(command)" }
  package var description: String { "stopped[\(id)]: \(message)\nhint: \(hint ?? "")" }
}

/// Number of the first stop signal received; 0 when none. Written by the signal handler, hence a lock-free atomic.
private let received = Atomic<Int32>(0)

package enum Signals {
  /// Turns the stop signals into requests that work polls with `pending`. A second stop signal ends the process at once;
  /// files stay valid, because each is written beside its place and renamed.
  package static func install() {
    _ = received.load(ordering: .relaxed)  // Initialised here, never inside the handler.
    // A parent may have started us with signals blocked (threads of a dispatch queue do); nobody means that.
    var blocked = sigset_t()
    sigemptyset(&blocked)
    for stop in StopSignal.allCases { sigaddset(&blocked, stop.number) }
    sigprocmask(SIG_UNBLOCK, &blocked, nil)
    for stop in StopSignal.allCases {
      var old = sigaction()
      sigaction(stop.number, nil, &old)
      // nohup and shells' background jobs ignore signals on purpose.
      if isIgnored(old) { continue }
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        let (first, _) = received.compareExchange(expected: 0, desired: number, ordering: .relaxed)
        if !first { _exit(128 + number) }
      }
      sigaction(stop.number, &action, nil)
    }
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self) == unsafeBitCast(SIG_IGN, to: UInt.self)
  }

  /// The signal that asked this process to stop, if any.
  package static var pending: StopSignal? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : StopSignal.allCases.first { $0.number == number }
  }
}
