import Tensors

/// A checkpoint as a network's weights: any container, its names without what training put around them, averaged weights preferred, and
/// everything else sorted into groups that can be asked for. What was decided on the way is said in `notes`.
package struct Checkpoint: Sendable {
  package struct Options: Sendable {
    /// nil for the averaged weights where there are some.
    package var weights: WeightChoice?
    /// Of several files in a folder, `fp16` for example; nil for the plain one, or the only one.
    package var variant: String?

    package init(weights: WeightChoice? = nil, variant: String? = nil) {
      self.weights = weights
      self.variant = variant
    }
  }

  /// The network's arrays; floating-point ones only.
  package let weights: any WeightSource
  /// Which of two sets of weights these are; nil where there is only one that says nothing of itself.
  package let choice: WeightChoice?
  /// What else the container holds, by name: `first_stage_model` and `cond_stage_model` for example, whose arrays are called as
  /// they are within them; `buffers` for what follows from the schedule and for scalars; `integers`; `optimizer`; `ema` or
  /// `raw` for the weights that were not taken.
  package let groups: [String: RenamedWeights]
  /// One line each, without capital or full stop.
  package let notes: [String]
  package let file: WeightFile

  /// - Parameter path: a file, the index of several, a network's folder, or a pipeline's.
  package init(_ path: String, _ options: Options = Options()) throws {
    guard Folder.kind(of: path) == .folder else {
      self = try Checkpoint(WeightFile(path), weights: options.weights)
      return
    }
    let network = try NetworkFolder(path, weights: options.weights)
    let folder = try WeightFolder(network.path, variant: options.variant)
    // Where the folder has decided, the file has nothing more to say.
    let weights = network.choice == nil ? options.weights : nil
    self = try Checkpoint(
      WeightFile(folder.path), weights: weights, isIn: network.choice, notes: network.notes + folder.notes)
  }

  /// - Parameters:
  ///   - folder: which of the two its folder says the file is.
  ///   - notes: what was decided before.
  package init(_ file: WeightFile, weights: WeightChoice?, isIn folder: WeightChoice? = nil, notes: [String] = [])
    throws
  {
    do {
      try self.init(CheckpointNames(file.tables), file, weights, folder, notes)
    } catch let problem as WeightsProblem {
      throw FormatError.weights(file.path, problem)
    }
  }

  private init(
    _ names: CheckpointNames, _ file: WeightFile, _ weights: WeightChoice?, _ folder: WeightChoice?, _ before: [String]
  ) throws {
    var notes = before
    var names = names
    var groups = names.groups
    let averages = try AveragedWeights(&names, file.source)
    let beside = Self.averagesBeside(file.path)
    switch (weights, names.isAveraged) {
    case (.raw, true): throw WeightsProblem.onlyEMA
    case (.ema, false) where averages.names.isEmpty && !WeightPrefixes.meansEMA(AtomicFile.split(file.path).name):
      throw WeightsProblem.noEMA(beside: beside)
    default: break
    }
    var taken = names.network
    if averages.names.isEmpty {
      choice = folder ?? (names.isAveraged ? .ema : beside.isEmpty ? nil : .raw)
      if !beside.isEmpty {
        notes.append("took raw weights; EMA weights stand beside them in \(beside.joined(separator: ", "))")
      }
    } else if weights == .raw {
      choice = .raw
      groups["ema"] = averages.names
      notes.append("took the raw weights; the file has EMA weights, too")
    } else {
      choice = .ema
      groups["raw"] = names.network.filter { averages.names[$0.key] != nil }
      taken.merge(averages.names) { $1 }
      notes.append("took the EMA weights; the file has raw ones, too, for --weights raw")
      if !averages.without.isEmpty {
        notes.append("\(Self.counted(averages.without)) without EMA values, taken as they are")
      }
    }
    notes += averages.notes
    var wide: [String] = []
    for (name, full) in taken {
      guard let type = file.source.entry(full)?.type else { continue }
      if type == .f64 { wide.append(name) }
      if !type.isFloatingPoint {
        groups["integers", default: [:]][name] = full
        taken[name] = nil
      }
    }
    guard !taken.isEmpty else { throw WeightsProblem.noNetwork(holds: Self.holds(groups)) }
    if !names.prefix.isEmpty { notes.append("stripped the prefix \(names.prefix) from the names") }
    if names.hadInner { notes.append("removed wrappers of single layers (_orig_mod and the like) from the names") }

    self.file = file
    self.weights = RenamedWeights(label: file.path, file.source, names: taken)
    self.groups = Dictionary(
      uniqueKeysWithValues: groups.map { name, members in
        (name, RenamedWeights(label: "\(file.path): \(name)", file.source, names: members))
      })
    notes += Self.remarks(groups, wide.sorted(), file)
    self.notes = notes
  }

  // MARK: Wording

  /// What is set apart, rounded and left unread.
  private static func remarks(_ groups: [String: [String: String]], _ wide: [String], _ file: WeightFile) -> [String] {
    var notes: [String] = []
    let apart = groups.filter { $0.key != "ema" && $0.key != "raw" }
    if !apart.isEmpty { notes.append("set apart: \(holds(apart).joined(separator: ", "))") }
    if !wide.isEmpty { notes.append("F64, rounded to F32 where it runs: \(counted(wide))") }
    let unread = Set(
      file.ignored.compactMap { $0.split(separator: ".").first }.map { Int($0) == nil ? "\($0)" : "[\($0)]" }
    )
    .subtracting(groups.keys).sorted()
    if !unread.isEmpty { notes.append("not read: \(listed(unread))") }
    return notes
  }

  private static func holds(_ groups: [String: [String: String]]) -> [String] {
    groups.sorted { $0.key < $1.key }.map { name, members in
      "\(printable(name)) (\(members.count == 1 ? "1 array" : "\(members.count) arrays"))"
    }
  }

  private static func listed(_ names: [String]) -> String {
    names.prefix(8).map { printable($0) }.joined(separator: ", ")
      + (names.count > 8 ? " and \(names.count - 8) more" : "")
  }

  private static func counted(_ names: [String]) -> String {
    names.count == 1 ? "1 array (\(printable(names[0])))" : "\(names.count) arrays (\(printable(names[0])), …)"
  }

  /// Averages that guided-diffusion's training writes beside `model050000.pt`: `ema_0.9999_050000.pt`.
  private static func averagesBeside(_ path: String) -> [String] {
    let (folder, name) = AtomicFile.split(path)
    guard name.hasPrefix("model"), let dot = name.lastIndex(of: ".") else { return [] }
    let step = name[..<dot].dropFirst("model".count)
    guard !step.isEmpty, step.allSatisfy(\.isNumber), let names = try? Folder.names(in: folder) else { return [] }
    return names.filter { $0.hasPrefix("ema_") && $0.hasSuffix("_\(step)\(name[dot...])") }
  }
}
