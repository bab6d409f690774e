/// What can go wrong before a kernel runs.
package enum KernelError: HalftoneError, Equatable {
  /// HALFTONE_ISA names no instruction set of ours.
  case unknownInstructionSet(String, known: [String])
  /// HALFTONE_ISA names one that this processor or this build lacks.
  case unavailableInstructionSet(String, available: [String])
  /// Kernels without products of bfloat16.
  case noBFloat16(kernels: String)
  /// The Int32 sum of an output channel could overflow.
  case accumulatorOverflow(channel: Int, bound: Int)
  case outOfMemory(MemoryError)
  /// Values that were to lie on the disk.
  case outOfDisk(folder: String, bytes: Int, reason: String)

  package var id: String {
    switch self {
    case .unknownInstructionSet, .unavailableInstructionSet, .noBFloat16: "E-ISA"
    case .accumulatorOverflow: "E-ACCUMULATOR"
    case .outOfMemory(let error): error.id
    case .outOfDisk: "E-DISK"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .unknownInstructionSet, .unavailableInstructionSet, .noBFloat16: .usage
    case .accumulatorOverflow: .refusedInput
    case .outOfMemory, .outOfDisk: .resource
    }
  }

  package var message: String {
    switch self {
    case .unknownInstructionSet(let value, let known):
      "HALFTONE_ISA is \"\(printable(value))\", expected one of \(known.joined(separator: ", "))"
    case .unavailableInstructionSet(let value, let available):
      "HALFTONE_ISA asks for \(value), but here only \(available.joined(separator: ", ")) can run"
    case .noBFloat16(let kernels):
      "'--executor bf16' needs a processor with AVX512-BF16; what runs here are the kernels for \(kernels)"
    case .accumulatorOverflow(let channel, let bound):
      "output channel \(channel) can sum to \(bound) in integer arithmetic, more than the \(Int32.max) that 32 bits hold"
    case .outOfMemory(let error):
      error.message
    case .outOfDisk(let folder, let bytes, let reason):
      "\(printable(folder)) has no room for \(bytes) bytes of values: \(reason)"
    }
  }

  package var hint: String? {
    switch self {
    case .unknownInstructionSet, .unavailableInstructionSet: "unset HALFTONE_ISA to use the fastest one available"
    case .noBFloat16: "leave --executor out to take the fastest that runs here"
    case .accumulatorOverflow: "leave this layer in float"
    case .outOfMemory(let error): error.hint
    case .outOfDisk: "free some room, or write to another disk"
    }
  }
}
