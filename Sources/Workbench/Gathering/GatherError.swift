import Tensors

/// What keeps parts of a run from being the whole.
package enum GatherError: HalftoneError, Equatable {
  /// A run that another command made.
  case command(folder: String, found: String)
  /// Two folders of different runs.
  case differs(folder: String, other: String, differences: [RunIdentity.Difference])
  case noImages(folders: [String])
  /// Several folders and no place for the whole.
  case needsPlace(folders: Int)
  /// Images that are missing, too many, damaged or contradictory: everything that is wrong, by kind.
  case images(expected: ClosedRange<Int>, problems: [String])
  /// Options that only statistics use.
  case options([String])
  /// Options that a kind of work has no use for.
  case unused([String], by: String)

  package var id: String {
    switch self {
    case .command: "E-GATHER-KIND"
    case .differs: "E-GATHER-DIFFERS"
    case .noImages, .images: "E-GATHER-IMAGES"
    case .needsPlace, .options, .unused: "E-GATHER-OPTION"
    }
  }

  package var exit: ExitStatus {
    switch self {
    case .needsPlace, .options, .unused: .usage
    case .command, .differs, .noImages, .images: .refusedInput
    }
  }

  package var message: String {
    switch self {
    case .command(let folder, let found): "\(printable(folder)) is a run of \(printable(found)), which is not gathered"
    case .differs(let folder, let other, let differences):
      "\(printable(other)) holds another run than \(printable(folder)):\n  "
        + listed(
          differences.lazy.map {
            "\(printable($0.key)): \(printable($0.found ?? "absent", limit: 500)) there, "
              + "\(printable($0.asked ?? "absent", limit: 500)) in the first"
          })
    case .noImages(let folders): "no images in \(folders.map { printable($0) }.joined(separator: ", "))"
    case .needsPlace(let folders): "\(folders) folders make one run somewhere else"
    case .images(let expected, let problems):
      "the images are not exactly \(IndexRange(expected)):\n  " + problems.joined(separator: "\n  ")
    case .options(let options):
      "\(options.joined(separator: ", ")): \(options.count == 1 ? "means" : "mean") nothing without --stats"
    case .unused(let options, let work):
      "\(options.joined(separator: ", ")): \(options.count == 1 ? "means" : "mean") nothing for \(work)"
    }
  }

  package var hint: String? {
    switch self {
    case .command(_, "ablate"): "the same ablate command without --shard makes the table of what is there"
    case .command, .noImages, .options, .unused: nil
    case .differs: "gather folders of one model, sampler and seed"
    case .needsPlace: "give the folder with --out"
    case .images:
      "the command of the shards draws what is missing, damaged or changed, with the same or another number of shards; what is "
        + "unexpected is yours to move away; --count and --indices say which images are expected"
    }
  }
}
