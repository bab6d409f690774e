import Formats
import Foundation
import Logging
import Tensors

/// The folder of one run: `run.json` (what was asked for, by what, where), `log.jsonl`, and what the command leaves there.
///
/// Opening a folder that exists means going on with its run. That is refused unless everything that decides the results
/// is equal; no path inside is absolute, so a folder may be moved between two attempts.
package final class RunFolder {
  package static let schema = 1
  package static let recordName = "run.json"
  /// Where shards put their reports and logs.
  package static let shardFolderName = "shards"

  package let path: String
  package let identity: RunIdentity
  package let log: Logger
  /// Whether an earlier process began this run.
  package let isContinued: Bool
  /// nil where several processes share the folder: whatever they write twice is equal, and appears by renaming.
  private let lock: RunLock?

  /// - Parameters:
  ///   - command: the command's name, part of the identity.
  ///   - arguments: the command line, for the record.
  ///   - shard: the part of the run that is this process's; nil: all of it, and no other process may work here.
  /// - Throws: `RunError` when the folder is another run's, another process's or no run folder.
  package init(
    _ path: String, command: String, identity: ConfigurationValue, arguments: [String], shard: Shard? = nil
  ) throws {
    try Folder.create(path)
    let record = joined(path, Self.recordName)
    let exists = Folder.kind(of: record) != nil
    if !exists {
      let listing = try Folder.listing(of: path)
      let foreign = listing.names.filter { !Self.ownNames.contains($0) } + listing.unreachable
      if let example = foreign.first(where: { !$0.hasPrefix(".") }) {
        throw RunError.foreign(folder: path, example: example)
      }
    }
    lock = shard == nil ? try RunLock(folder: path) : nil
    try TemporaryFiles.removeStale(in: path)
    self.path = path
    self.identity = RunIdentity(["command": .string(command), "configuration": identity])
    // Looked at again under the lock: another process may have begun and ended in between.
    isContinued = Folder.kind(of: record) != nil
    if !isContinued {
      try AtomicFile.write(JSONWriter.pretty(Self.record(self.identity, arguments: arguments)), to: record)
    }
    // Where processes share the folder, one that was asked for something else may have put its record here just now.
    if isContinued || shard != nil {
      let differences = self.identity.differences(inFolder: RunIdentity(try Self.record(in: path)["identity"]!))
      if !differences.isEmpty { throw RunError.differs(folder: path, differences: differences) }
    }
    if shard != nil { try Folder.create(joined(path, Self.shardFolderName), inside: path) }
    // Appending is only safe among processes of one machine, so every shard has a log of its own.
    let logName = shard.map { joined(Self.shardFolderName, $0.fileName + ".log.jsonl") } ?? "log.jsonl"
    log = try RunLog.logger(appendingTo: joined(path, logName))
    if let holder = lock?.replaced {
      log.warning(
        "took over the lock of a process that ended",
        metadata: ["host": "\(holder.host)", "process": "\(holder.process)"])
    }
    log.info(isContinued ? "continued" : "started", metadata: ["command": "\(shellCommand(arguments))"])
  }

  /// Looks at the places of what a run of images leaves in its folder, before work begins.
  static func checkResults(in folder: String, withArray: Bool) throws {
    for name in ["report.json", "grid.png"] + (withArray ? ["samples.npz"] : []) {
      try AtomicFile.checkTarget(joined(folder, name))
    }
  }

  /// The path of something inside.
  package func file(_ name: String) -> String { joined(path, name) }

  private static let ownNames: Set<String> = ["lock", "log.jsonl", shardFolderName]

  private static func record(_ identity: RunIdentity, arguments: [String]) -> ConfigurationValue {
    let machine = Machine.current
    return [
      "schema": .integer(schema), "identity": identity.value, "halftone": .string(halftoneVersion),
      "arguments": .list(arguments.map { .string($0) }),
      "machine": [
        "host": .string(machine.hostName), "processor": .string(machine.processor),
        "logical_cores": .integer(machine.logicalCores), "kernel": .string(machine.kernel),
      ],
    ]
  }

  /// What a run folder says of itself: its record, with the keys schema and identity at the least.
  package static func record(in folder: String) throws -> ConfigurationValue {
    let record = joined(folder, recordName)
    let value: ConfigurationValue
    do { value = try JSON.read(record) } catch FormatError.file(let path, let problem) {
      throw FormatError.file(path, problem)
    } catch let error as FormatError {
      throw RunError.damaged(path: record, reason: error.message)
    }
    guard case .integer(let found)? = value["schema"], case .map? = value["identity"] else {
      throw RunError.damaged(path: record, reason: "it lacks the keys schema and identity")
    }
    if found > schema { throw RunError.newerSchema(path: record, found: found, known: schema) }
    return value
  }
}
