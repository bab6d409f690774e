import CSystem
import Formats
import Foundation
import Tensors

/// What a process needs before it does anything, whatever its parent left it with.
package enum ProcessSetup {
  /// Address space without which not even a message about memory can be made.
  private static let leastMemory = 16 << 20

  /// Call first, before any file is opened.
  /// - Throws: `ProcessError` for arguments that cannot be used, `MemoryError` where limits leave nothing to work with.
  package static func run() throws {
    openStandardDescriptors()
    // A reader that has gone away and a file-size limit become errors of the call that met them (EPIPE, EFBIG).
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // Every thread's own heap reserves 64 MB of address space, or not, depending on who comes first.
    if MemoryBudget.isConfined { ht_share_heap() }
    try MemoryBudget.require(leastMemory, for: "starting")
    try checkEncoding()
  }

  /// Opens the descriptors 0 to 2 on /dev/null where they are closed: the next file to be opened would get their numbers,
  /// and then results or progress would be written into it.
  private static func openStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
      // The lowest free number is this one, because those below it are open by now.
      _ = open("/dev/null", O_RDWR)
    }
  }

  /// Swift repairs arguments that are not UTF-8, and then they name other files.
  private static func checkEncoding() throws {
    for position in 1..<max(Int(CommandLine.argc), 1) {
      guard let argument = CommandLine.unsafeArgv[position] else { continue }
      try check(argument, .argument(position))
    }
    for name in ["HALFTONE_HOME", "HALFTONE_INCEPTION"] {
      if let value = getenv(name) { try check(value, .variable(name)) }
    }
  }

  private static func check(_ text: UnsafePointer<CChar>, _ place: ProcessError.Place) throws {
    let bytes = UnsafeRawBufferPointer(start: text, count: strlen(text))
    if String(validating: bytes, as: UTF8.self) == nil { throw ProcessError.encoding(place, bytes: Array(bytes)) }
  }
}

/// What keeps the process from beginning.
package enum ProcessError: HalftoneError, Equatable {
  package enum Place: Sendable, Equatable {
    /// By position, the first being 1.
    case argument(Int)
    case variable(String)
  }

  case encoding(Place, bytes: [UInt8])

  package var id: String { "E-ENCODING" }
  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .encoding(let place, let bytes):
      "\(Self.name(place)) is not UTF-8: \(printable(bytes: bytes))"
    }
  }

  package var hint: String? { "rename the file, or reach it through a link whose name is UTF-8" }

  private static func name(_ place: Place) -> String {
    switch place {
    case .argument(let position): "argument \(position)"
    case .variable(let name): "the variable \(name)"
    }
  }
}
