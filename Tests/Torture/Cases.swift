import Foundation
import TestSupport

/// How much of a campaign is run.
struct Extent {
  /// Random SIGKILLs a command.
  var kills = 200
  /// Calls of a family that are disturbed, spread evenly over all that a run makes.
  var calls = 200
  /// Points of each row of limits.
  var points = 24
}

extension TrialBench {
  /// SIGKILL at random moments. A command is started again and again in one folder until it comes to its end, so that it resumes
  /// what was itself resumed.
  func kills(_ extent: Extent) throws {
    try row("SIGKILL at random moments") { row in
      var folder = try freshFolder()
      while row.killed < extent.kills {
        let started = try workshop.starter.start(subject.arguments, in: folder)
        usleep(UInt32.random(in: 0...UInt32(seconds * 1.5e6), using: &random))
        started.kill()
        let ending = started.wait()
        var problems: [String] = []
        if ending.way == .signal(SIGKILL) {
          row.killed += 1
          row.disturbed += 1
          problems = FolderContent(of: folder).damage(beside: undisturbed)
        } else if ending.succeeded {
          problems = FolderContent(of: folder).difference(from: undisturbed)
          if problems.isEmpty { row.resumed += 1 }
        } else {
          problems = ["\(ending.text): \(ending.errors.suffix(600))"]
        }
        if ending.succeeded || !problems.isEmpty {
          try close(folder, problems, .none, ending)
          folder = try freshFolder()
        }
      }
      let problems = try finish(in: folder)
      if problems.isEmpty { row.resumed += 1 }
      try close(folder, problems, .none, nil)
    }
  }

  /// The N-th call of a family disturbed, for N from 1 until a run makes fewer calls, or where there are many, for `Extent.calls` of them.
  func calls(_ family: String, _ action: String, errors: [Int32] = [EIO], _ extent: Extent) throws {
    let total = try count(["FAMILY": family])
    try row("\(action) \(family)", of: total) { row in
      let step = max(1, Double(total) / Double(max(extent.calls, 1)))
      var (turn, position) = (0, 1.0)
      while true {
        let ending = try trial(
          &row,
          Disturbance(variables: [
            "FAMILY": family, "ACTION": action, "NUMBER": "\(Int(position))", "ERRNO": "\(errors[turn % errors.count])",
          ]))
        if !ending.disturbed { break }
        turn += 1
        position += step
      }
    }
  }

  /// Allocations that fail: the program's own buffers end in E-MEMORY, others may end the process but leave nothing half-written.
  func allocations(_ extent: Extent) throws {
    try calls("buffer", "fail", errors: [ENOMEM], extent)
    for (name, least) in [("of 64 KiB and more", 1 << 16), ("of any size", 1)] {
      let total = try count(["FAMILY": "memory", "LEAST": "\(least)"])
      try row("fail allocations \(name)", of: total) { row in
        let all = 1...max(total, 1)
        let numbers =
          total <= extent.points * 4
          ? Array(all) : (0..<extent.points * 4).map { _ in Int.random(in: all, using: &random) }
        for number in numbers where total > 0 {
          try trial(
            &row,
            Disturbance(variables: [
              "FAMILY": "memory", "LEAST": "\(least)", "ACTION": "fail", "NUMBER": "\(number)",
            ]), mayAbort: true)
        }
      }
    }
  }

  /// Calls of a family that an undisturbed run makes.
  private func count(_ variables: [String: String]) throws -> Int {
    let folder = try freshFolder()
    let path = workshop.starter.scratch + "/count"
    unlink(path)
    let ending = try run(in: folder, Disturbance(variables: variables.merging(["COUNT": path]) { $1 }))
    try? FileManager.default.removeItem(atPath: folder)
    guard ending.succeeded else { throw Failure("\(subject.name) under the interposed library: \(ending.text)") }
    let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").compactMap { Int($0) }.max() ?? 0
  }

  /// Limits of the system, from tight ones up to what the command needs.
  func limits(_ extent: Extent) throws {
    let points = max(2, extent.points)
    // With 3 the system's loader cannot open a library.
    try row("ulimit -n") { row in
      for descriptors in (0..<points).map({ 4 + $0 * 28 / points }) {
        try trial(&row, Disturbance(limits: ["-n \(descriptors)"]))
      }
    }
    try row("ulimit -f") { row in
      let largest = max(1, (undisturbed.files.values.map(\.count).max() ?? 0) / 1024)
      // Standard error goes to a file too, and has a few lines.
      for kibibytes in Set((0..<points).map { 2 + $0 * largest / points }).sorted() {
        try trial(&row, Disturbance(limits: ["-f \(kibibytes)"]))
      }
    }
    // Below about 150 MB the system's loader, or OpenBLAS while it is loaded, finds no room for itself.
    try row("ulimit -v") { row in
      for kibibytes in (0..<points).map({ 160_000 + $0 * 240_000 / points }) {
        try trial(&row, Disturbance(limits: ["-v \(kibibytes)"]))
      }
    }
  }

  /// Two processes begin the same work at nearly the same time.
  func twoWriters(_ extent: Extent) throws {
    try row("two writers") { row in
      for _ in 0..<max(2, extent.points) {
        let folder = try freshFolder()
        let first = try workshop.starter.start(subject.arguments, in: folder)
        usleep(UInt32.random(in: 0...UInt32(seconds * 1e6), using: &random))
        let second = try workshop.starter.start(subject.arguments, in: folder)
        var problems: [String] = []
        let endings = [first.wait(), second.wait()]
        row.disturbed += 1
        for ending in endings where !ending.succeeded {
          if ending.isNamedRefusal {
            row.refused[ending.identifier ?? "", default: 0] += 1
          } else {
            problems.append("\(ending.text): \(ending.errors.suffix(600))")
          }
        }
        if !endings.contains(where: \.succeeded) {
          problems.append("neither came to its end: \(endings.map { $0.text + " " + $0.errors.suffix(300) })")
        }
        problems += FolderContent(of: folder).difference(from: undisturbed)
        if problems.isEmpty { row.unharmed += 1 }
        try close(folder, problems, .none, endings[1])
      }
    }
  }

  /// A wall clock that jumps by decades while the command runs, is killed, and runs again.
  func clockJumps(_ extent: Extent) throws {
    let jumps = Disturbance(variables: ["FAMILY": "clock"])
    try row("clock jumps") { row in
      for turn in 0..<max(2, extent.points / 2) {
        let folder = try freshFolder()
        if turn > 0 {
          let started = try workshop.starter.start(subject.arguments, in: folder, jumps)
          usleep(UInt32.random(in: 0...UInt32(seconds * 1e6), using: &random))
          started.kill()
          if started.wait().way == .signal(SIGKILL) { row.killed += 1 }
        }
        let ending = try run(in: folder, jumps)
        row.disturbed += 1
        var problems = ending.succeeded ? [] : ["\(ending.text): \(ending.errors.suffix(600))"]
        problems += FolderContent(of: folder).difference(from: undisturbed)
        if problems.isEmpty { row.unharmed += 1 }
        try close(folder, problems, jumps, ending)
      }
    }
  }

  /// The folder of a killed run gets another name before it goes on.
  func moves(_ extent: Extent) throws {
    try row("folder moved") { row in
      for _ in 0..<max(2, extent.points) {
        let folder = try freshFolder()
        let started = try workshop.starter.start(subject.arguments, in: folder)
        usleep(UInt32.random(in: 0...UInt32(seconds * 1e6), using: &random))
        started.kill()
        let ending = started.wait()
        if ending.way == .signal(SIGKILL) { row.killed += 1 }
        row.disturbed += 1
        let moved = folder + "-moved"
        try FileManager.default.moveItem(atPath: folder, toPath: moved)
        let problems = try finish(in: moved)
        if problems.isEmpty { row.resumed += 1 }
        try close(moved, problems, .none, ending)
      }
    }
  }
}
