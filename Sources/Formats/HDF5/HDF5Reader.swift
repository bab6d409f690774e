import Platform

/// The program that reads HDF5 files as a child process, because it knows `HDF5Child.command`. Whoever reads such a file says which
/// it is: a program that merely uses these modules must not be started again.
package struct HDF5Reader: Sendable, Equatable {
  /// Its path; nil where there is none, and HDF5 files are refused.
  package let program: String?

  package init(program: String) { self.program = program }

  private init() { program = nil }

  package static let none = HDF5Reader()

  /// The running program, which must be halftone itself.
  package static let thisProgram = HDF5Reader(program: SystemFacts.ownExecutable)
}
