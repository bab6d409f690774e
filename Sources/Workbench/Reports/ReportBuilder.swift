import Formats
import Quantization
import Tensors

/// Puts a report together: what runs have left, what an earlier report already measured, and what is measured now.
final class ReportBuilder {
  private let session: Session
  private let collector: RunCollector
  private var runs: [RunCollector.Run] = []
  private var previous: [ReportDocument] = []
  private let compute: Compute
  private var floats: [ModelSource]

  /// - Parameter floats: float models that are open.
  init(_ session: Session, compute: Compute, floats: [ModelSource] = []) {
    self.session = session
    self.compute = compute
    self.floats = floats
    collector = RunCollector(session: session)
  }

  /// - Parameters: path: a run folder or a quantised model; own: the report of the command that is ending.
  func add(_ path: String, own: ConfigurationValue? = nil) throws {
    let kind = Folder.kind(of: path)
    switch kind {
    case .folder where Folder.kind(of: joined(path, RunFolder.recordName)) != nil:
      remember(joined(path, "report.json"))
      runs += try collector.folder(path, own: own)
    case .folder: throw ReportError.notReportable(path: path, found: "the folder has no run.json")
    case .file:
      remember(ReportFile.dataPath(of: Self.page(of: path)))
      runs.append(try collector.artefact(path))
    case .other, nil:
      throw ReportError.notReportable(
        path: path, found: kind == nil ? "there is no such file or folder" : "it is no file")
    }
  }

  /// The files with figures that a report of `path` is made from, besides the run's record.
  static func data(of path: String) -> [String] {
    Folder.kind(of: path) == .folder
      ? ["report.json", ScoreCommand.dataName].map { joined(path, $0) } : [ReportFile.dataPath(of: page(of: path))]
  }

  /// Where the report of one run or model stands.
  static func page(of path: String) -> String {
    if Folder.kind(of: path) == .folder { return joined(path, "report.html") }
    let ending = ".safetensors"
    return (path.hasSuffix(ending) ? String(path.dropLast(ending.count)) : path) + ".report.html"
  }

  /// Keeps what an earlier report measured of the same models. - Parameter path: of its data.
  func remember(_ path: String) {
    if let document = ReportFile.read(path) { previous.append(document) }
  }

  /// Refuses float models that no quantised model here was made from.
  func checkFloats(named path: String) throws {
    let sources = runs.flatMap(\.members).compactMap(\.source)
    for float in floats where !sources.contains(where: { $0.digest == float.digest }) {
      guard let source = sources.first else { throw ReportError.notAnalysable(model: path) }
      throw ReportError.otherModel(
        path: distinct(runs.map(\.title)).joined(separator: ", "), madeFrom: "\(source.name) (\(source.digest))",
        model: path, found: float.digest)
    }
  }

  /// Sets the recipe's file of the only model, which the command knows by its path.
  func name(recipe: String) {
    guard let text = RecipeText(recipe, assets: session.assets), let index = runs.indices.last,
      let value = runs[index].members.last?.recipe, let used = try? Recipe(value, file: recipe)
    else { return }
    runs[index].members[runs[index].members.count - 1].variant.recipe = text.report(for: used)
  }

  /// How the last run added was made.
  func describe(command: String, facts: [ReportDocument.Provenance.Fact]) {
    guard let index = runs.indices.last else { return }
    runs[index].provenance.command = command
    runs[index].provenance.facts += facts
  }

  // MARK: Measuring

  /// Draws one image's way through the models of the last run; of several images the one that differs most.
  func addStrip(_ samplers: [(name: String, sampler: ImageSampler)]) throws {
    guard let index = runs.indices.last else { return }
    let image = runs[index].gallery?.rows.first?.image ?? 0
    if let strip = try StripMaker.strip(runs[index].title, samplers, image: image, session: session) {
      runs[index].strips = [strip]
    }
  }

  /// Measures the layers of every quantised model, or of the one that deviates most, unless an earlier report has it.
  /// - Parameter measured: called after each model, to keep what was measured.
  /// - Throws: `E-REPORT-FLOAT` when a model's float model is not at hand; `Stopped` after a stop signal.
  func analyse(onlyWorst: Bool = false, measured: () throws -> Void = {}) throws {
    reuse()
    if !onlyWorst, runs.flatMap(\.members).allSatisfy({ $0.artefact == nil }) {
      session.console.note("note: no quantised model is at hand whose layers could be measured")
    }
    var wanted: [(run: Int, member: Int)] = []
    for (run, value) in runs.enumerated() {
      for (member, found) in value.members.enumerated() where found.artefact != nil && found.variant.analysis == nil {
        wanted.append((run, member))
      }
    }
    if onlyWorst {
      func decibels(_ place: (run: Int, member: Int)) -> Double {
        runs[place.run].members[place.member].variant.meanDecibels ?? .infinity
      }
      wanted = wanted.min { decibels($0) < decibels($1) }.map { [$0] } ?? []
    }
    try announce(wanted)
    for place in wanted {
      // Opened one after another: many large models would not fit together.
      runs[place.run].members[place.member].variant.analysis = try analysis(of: runs[place.run].members[place.member])
        .run()
      try measured()
    }
  }

  private func announce(_ places: [(run: Int, member: Int)]) throws {
    if places.isEmpty { return }
    let stages = try places.map { place in
      let analysis = try analysis(of: runs[place.run].members[place.member])
      let planning = try TimePlanning(
        analysis.float, stepCount: analysis.quantized.quantized?.steps.count ?? 1, drawsSet: false, compute: compute)
      return WorkEstimate.Stage(
        name: "layers of \(analysis.quantized.name)", seconds: try analysis.estimate(planning).seconds)
    }
    session.console.note(TimePlanning.announcement(of: WorkEstimate(stages: stages)))
  }

  private func analysis(of member: RunCollector.Member) throws -> LayerAnalysis {
    guard let path = member.artefact, let source = member.source else {
      throw ReportError.notReportable(path: member.variant.title, found: "its artefact is not at hand")
    }
    let quantized = try ModelSource.open(path, assets: session.assets)
    guard let float = floatModel(source) else {
      throw ReportError.noFloat(path: path, name: source.name, digest: source.digest)
    }
    return try LayerAnalysis(float: float, quantized: quantized, compute: compute, session: session)
  }

  /// One that is open, or a model of the name that the artefact remembers, if it is the same.
  private func floatModel(_ source: (digest: String, name: String)) -> ModelSource? {
    if let known = floats.first(where: { $0.digest == source.digest }) { return known }
    guard let found = try? ModelSource.open(source.name, assets: session.assets), found.digest == source.digest else {
      return nil
    }
    floats.append(found)
    return found
  }

  /// Takes analyses and strips from earlier reports where they are of the same models, and of an artefact that is not at hand
  /// all that it said then.
  private func reuse() {
    let known = previous.flatMap(\.variants).filter { $0.digest != nil }
    for run in runs.indices {
      for member in runs[run].members.indices {
        let found = runs[run].members[member]
        guard let same = known.first(where: { $0.digest == found.variant.digest }) else { continue }
        if found.artefact == nil, found.variant.isQuantized { runs[run].members[member].variant.addFile(of: same) }
        guard found.variant.analysis == nil, let analysis = same.analysis, analysis.quantized == found.variant.digest,
          found.source.map({ $0.digest == analysis.float }) ?? true
        else { continue }
        runs[run].members[member].variant.analysis = analysis
      }
      let digests = runs[run].members.map(\.variant.digest)
      let isSame = previous.first { digests == $0.variants.map(\.digest) }
      if runs[run].strips.isEmpty, let strips = isSame?.strips { runs[run].strips = strips }
    }
  }

  // MARK: Writing

  var document: ReportDocument {
    reuse()
    let titles = runs.map(\.title)
    var document = ReportDocument(
      title: titles.joined(separator: ", "),
      commands: distinct(runs.map(\.command)))
    var taken: Set<String> = []
    for run in runs {
      for member in run.members {
        var variant = member.variant
        // The same float model of several runs is shown once.
        if !variant.isQuantized, document.variants.contains(where: { $0.digest != nil && $0.digest == variant.digest })
        {
          continue
        }
        variant.name = Self.free(variant.name, &taken)
        variant.group = run.title
        // Recipes of the same name on another model.
        if document.variants.contains(where: { $0.title == variant.title }) { variant.title += ", \(run.title)" }
        document.variants.append(variant)
      }
      document.galleries += run.gallery.map { [$0] } ?? []
      document.strips += run.strips
      document.scores += run.scores
      if !document.provenance.contains(run.provenance) { document.provenance.append(run.provenance) }
      document.notes += run.notes
    }
    document.notes = distinct(document.notes)
    document.summary = Findings(document).sentences
    return document
  }

  private static func free(_ name: String, _ taken: inout Set<String>) -> String {
    var (found, number) = (name, 2)
    while !taken.insert(found).inserted { (found, number) = ("\(name)-\(number)", number + 1) }
    return found
  }

  /// Writes the page and its data.
  func write(_ page: String, own: ConfigurationValue? = nil) throws {
    let document = document
    var recipes: [(name: String, recipe: ConfigurationValue)] = []
    let members = runs.flatMap(\.members)
    for variant in document.variants {
      let recipe = members.first { $0.variant.digest != nil && $0.variant.digest == variant.digest }?.recipe
      if let recipe { recipes.append((variant.name, recipe)) }
    }
    try ReportFile.write(document, recipes: recipes, own: own, page: page)
  }
}
