import Foundation
import TestSupport

/// One command under a campaign: what its undisturbed run leaves, and trials against it.
final class TrialBench {
  let subject: Subject
  let workshop: Workshop
  let undisturbed: FolderContent
  /// Seconds of an undisturbed run.
  let seconds: Double
  var random: SplitMix64
  private(set) var rows: [Row] = []
  private(set) var defects: [String] = []
  private var number = 0

  init(_ subject: Subject, in workshop: Workshop, seed: UInt64) throws {
    self.subject = subject
    self.workshop = workshop
    random = SplitMix64(seed)
    var contents: [FolderContent] = []
    var seconds = Double.infinity
    for turn in 0..<2 {
      let folder = "\(workshop.folder)/\(subject.name)-undisturbed-\(turn)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
      let start = ContinuousClock.now
      let ending = try workshop.starter.run(subject.arguments, in: folder)
      seconds = min(seconds, (ContinuousClock.now - start) / .seconds(1))
      guard ending.succeeded else { throw Failure("\(subject.name) alone: \(ending.text)\n\(ending.errors)") }
      contents.append(FolderContent(of: folder))
      try FileManager.default.removeItem(atPath: folder)
    }
    (undisturbed, self.seconds) = (contents[0], seconds)
    guard !undisturbed.results.isEmpty else { throw Failure("\(subject.name) leaves nothing to compare") }
    let difference = contents[1].difference(from: contents[0])
    guard difference.isEmpty else { throw Failure("\(subject.name) twice: \(difference)") }
  }

  /// What runs of a kind came to.
  struct Row {
    let kind: String
    /// Calls of the family that an undisturbed run makes, where calls are disturbed one by one.
    var of: Int?
    /// Runs that were disturbed.
    var disturbed = 0
    /// Of them: went through all the same, with equal bits.
    var unharmed = 0
    /// Ended with a named error, by its identifier.
    var refused: [String: Int] = [:]
    /// Ended by SIGKILL, which the campaign sent.
    var killed = 0
    /// Ended by another signal, where that is allowed (an allocation of the runtime's own that failed).
    var aborted = 0
    /// Runs after them that came to the undisturbed run's bits.
    var resumed = 0
    var skipped: String?
  }

  /// An empty working directory.
  func freshFolder() throws -> String {
    number += 1
    let folder = "\(workshop.folder)/\(subject.name)-\(number)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    return folder
  }

  func run(in folder: String, _ disturbance: Disturbance = .none) throws -> Ending {
    try workshop.starter.run(subject.arguments, in: folder, disturbance)
  }

  /// Runs `body` on a row of the table, which is kept.
  func row(_ kind: String, of total: Int? = nil, _ body: (inout Row) throws -> Void) throws {
    var row = Row(kind: kind, of: total)
    let start = ContinuousClock.now
    try body(&row)
    rows.append(row)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    say("\(subject.name), \(kind): \(row.text), in \(Int(seconds.rounded())) s")
  }

  /// One run under `disturbance` in `folder`, judged; then the same command undisturbed, which must come to the same bits.
  /// - Parameters: mayAbort: whether a signal of its own is allowed; leavesTemporary: whether files of writers may be left.
  /// - Returns: how the disturbed run ended.
  @discardableResult func trial(
    _ row: inout Row, _ disturbance: Disturbance, in given: String? = nil, mayAbort: Bool = false,
    resumedIn resumedFolder: ((String) throws -> String)? = nil
  ) throws -> Ending {
    var folder = try given ?? freshFolder()
    let ending = try run(in: folder, disturbance)
    if !disturbance.variables.isEmpty && !ending.disturbed { row.disturbed -= 1 }
    row.disturbed += 1
    var problems = judge(ending, &row, mayAbort: mayAbort)
    let content = FolderContent(of: folder)
    // What cannot be removed stays until the next run.
    let mayLeave = disturbance.variables["FAMILY"] == "unlink"
    if ending.succeeded && !mayLeave {
      problems += content.difference(from: undisturbed)
      if problems.isEmpty && ending.disturbed == !disturbance.variables.isEmpty { row.unharmed += 1 }
    } else {
      problems += content.damage(beside: undisturbed)
      if case .exit = ending.way, !mayLeave {
        problems += content.temporary.map { "\($0): left behind by a run that ended by itself" }
      }
      if let resumedFolder { folder = try resumedFolder(folder) }
      let after = try finish(in: folder)
      if after.isEmpty { row.resumed += 1 }
      problems += after.map { "after the next run: " + $0 }
    }
    try close(folder, problems, disturbance, ending, removing: given == nil)
    return ending
  }

  private func judge(_ ending: Ending, _ row: inout Row, mayAbort: Bool) -> [String] {
    switch ending.way {
    case .exit(0): return []
    case .signal(SIGKILL) where ending.disturbed: row.killed += 1
    case .signal(let number) where mayAbort && number != SIGALRM: row.aborted += 1
    default:
      guard ending.isNamedRefusal else { return ["\(ending.text), which is no named refusal"] }
      row.refused[ending.identifier ?? "", default: 0] += 1
    }
    return []
  }

  /// Runs the command undisturbed, to its end. - Returns: what is wrong with what it leaves.
  func finish(in folder: String) throws -> [String] {
    let ending = try run(in: folder)
    guard ending.succeeded else { return ["\(ending.text): \(ending.errors.suffix(600))"] }
    return FolderContent(of: folder).difference(from: undisturbed)
  }

  /// Removes a working directory, or keeps it with what is wrong there.
  func close(
    _ folder: String, _ problems: [String], _ disturbance: Disturbance, _ ending: Ending?, removing: Bool = true
  ) throws {
    if problems.isEmpty {
      if removing { try? FileManager.default.removeItem(atPath: folder) }
      return
    }
    var text = "\(subject.name) \(disturbance.text) (\(ending?.text ?? "killed")) in \(folder):\n"
    text += problems.prefix(8).map { "    \($0)\n" }.joined()
    if let errors = ending?.errors, !errors.isEmpty { text += "    standard error: \(errors.suffix(600))\n" }
    defects.append(text)
    say("DEFECT: " + text)
  }
}

extension TrialBench.Row {
  /// Figures of a row in words.
  var text: String {
    if let skipped { return "SKIPPED: \(skipped)" }
    let names = refused.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    return
      "\(disturbed)\(of.map { " of \($0)" } ?? "") disturbed, \(unharmed) went through, \(refused.values.reduce(0, +)) refused"
      + (names.isEmpty ? "" : " (\(names))")
      + ", \(killed) killed, \(aborted) aborted, \(resumed) resumed to equal bits"
  }
}

/// One line on standard output, at once: a campaign is watched.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
