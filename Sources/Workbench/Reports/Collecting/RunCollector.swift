import Formats
import Tensors

/// Reads what commands have left in their folders: the figures of their own report, images, journals and artefacts. Nothing is
/// computed but what pictures show.
struct RunCollector {
  let session: Session

  /// One model of a report and where it is.
  struct Member {
    var variant: ReportVariant
    /// Of the artefact; nil for float models and where it is not known.
    var artefact: String?
    /// The timesteps that its tables were made for; empty where the artefact is not known.
    var timesteps: [Double] = []
    /// What the report's `recipes` holds.
    var recipe: ConfigurationValue?
    /// Digest, and as the user calls it, of the float model that it was made from.
    var source: (digest: String, name: String)?
  }

  /// What one run gives to a report.
  struct Run {
    var title: String
    var command: String
    var members: [Member] = []
    var gallery: ReportDocument.Gallery?
    var strips: [ReportDocument.Strip] = []
    var scores: [ReportDocument.Score] = []
    var provenance: ReportDocument.Provenance
    var notes: [String] = []
  }

  // MARK: Artefacts

  /// - Throws: what is wrong with the file.
  func artefact(_ path: String) throws -> Run {
    let source = try ModelSource.open(path, assets: session.assets)
    guard let quantized = source.quantized else {
      throw ReportError.notReportable(path: path, found: "it is a float model")
    }
    var variant = ReportVariant(
      name: source.name, title: source.name, isQuantized: true)
    variant.timesteps = quantized.steps.map(\.timestep.value)
    let lineage = quantized.lineage
    let provenance = ReportDocument.Provenance(
      title: fileName(of: path), command: nil,
      facts: [
        .init("file", path), .init("digest", source.digest), .init("made from", lineage.sourceName),
        .init("its digest", lineage.sourceDigest), .init("made by", lineage.program),
        .init("widths", ReportVariant.widths(of: quantized.recipe)),
        .init("sampler", JSONWriter.compact(quantized.sampler)), .init("steps", "\(quantized.steps.count)"),
      ])
    return Run(
      title: source.name, command: "quantize", members: [member(variant, source, path)], provenance: provenance)
  }

  /// Adds what the artefact itself says.
  private func member(_ variant: ReportVariant, _ source: ModelSource, _ path: String) -> Member {
    var variant = variant
    guard let quantized = source.quantized else { return Member(variant: variant) }
    let text =
      RecipeText(variant.name, assets: session.assets) ?? .nearest(to: quantized.recipe, assets: session.assets)
    variant.add(source, recipe: text)
    if variant.recipe == nil { variant.recipe = ReportRecipe(quantized.recipe) }
    return Member(
      variant: variant, artefact: path, timesteps: quantized.steps.map(\.timestep.value),
      recipe: quantized.recipe.encode(),
      source: (quantized.lineage.sourceDigest, quantized.lineage.sourceName))
  }

  /// The same where the artefact may be gone or changed since: then only what the run says is known.
  private func member(_ variant: ReportVariant, at path: String, _ notes: inout [String]) -> Member {
    guard let source = try? ModelSource.open(path, assets: session.assets), source.quantized != nil,
      variant.digest == nil || source.digest == variant.digest
    else {
      notes.append(
        "\(printable(path)) is not there or another model by now: of \(variant.title) the page shows what the run and its last "
          + "report say")
      return Member(variant: variant)
    }
    return member(variant, source, path)
  }

  // MARK: Run folders

  /// - Parameter own: the command's report; nil reads `report.json`.
  /// - Returns: one run, or one for each part of a demo.
  func folder(_ path: String, own: ConfigurationValue? = nil) throws -> [Run] {
    let record = try RunFolder.record(in: path)
    guard case .string(let command)? = record["identity"]?["command"] else {
      throw RunError.damaged(path: joined(path, RunFolder.recordName), reason: "it names no command")
    }
    let own = own ?? (try? JSON.read(joined(path, "report.json"), limit: ReportFile.sizeLimit)) ?? [:]
    let float = record["identity"]?["configuration"]?["model"]?.text
    var run = Run(title: fileName(of: path), command: command, provenance: Self.provenance(record, path))
    switch command {
    case "compare": try addComparison(own, path, to: &run)
    case "ablate": try addRows(own, float, path, to: &run)
    case "demo": return try (own["parts"]?.items ?? []).map { try part($0, of: run, path) }
    default:
      guard let images = StoredImages(in: path) else {
        throw ReportError.notReportable(path: path, found: "its command, \(printable(command)), left no images")
      }
      run.gallery = try GalleryMaker.gallery(run.title, models: [("image", images)], notes: &run.notes)
    }
    if let scores = ReportFile.read(joined(path, ScoreCommand.dataName)) { run.scores = scores.scores }
    run.notes += own["notes"]?.texts ?? []
    return [run]
  }

  private func part(_ own: ConfigurationValue, of run: Run, _ path: String) throws(MemoryError) -> Run {
    var part = run
    try addRows(own, nil, own["subfolder"]?.text.map { joined(path, $0) } ?? path, to: &part)
    return part
  }

  private func addComparison(_ own: ConfigurationValue, _ path: String, to run: inout Run) throws(MemoryError) {
    let names = [own["float"]?.text ?? "float", own["quantized"]?.text ?? "quantized"]
    var float = ReportVariant(name: names[0], title: names[0], isQuantized: false)
    float.digest = own["float_digest"]?.text
    float.bytes = own["float_bytes"]?.whole
    var other = ReportVariant(name: names[1], title: names[1], isQuantized: true)
    other.digest = own["quantized_digest"]?.text
    other.psnrMean = own["psnr"]?["mean_decibels"]?.double
    other.decoderPSNR = own["decoder"]?["mean_decibels"]?.double
    other.psnrPooled = own["psnr"]?["pooled_decibels"]?.double
    other.ssim = own["ssim"]?["mean"]?.double
    other.perceptual = own["perceptual"]?["mean"]?.double
    let steps = own["epsilon_snr"]?["steps"]?.items ?? []
    other.timesteps = steps.compactMap { $0["timestep"]?.double }
    other.stepDecibels = steps.map { $0["decibels"]?.double }
    other.drift = (own["drift"]?.items ?? []).map { $0["relative_squared_error"]?.double }
    run.title = "\(names[1]) against \(names[0])"
    let artefact = own["quantized_path"]?.text
    run.members = [
      Member(variant: float),
      artefact.map { member(other, at: $0, &run.notes) }
        ?? Member(variant: other),
    ]
    run.gallery = try gallery(
      run.title, [("float", joined(path, "float")), (names[1], joined(path, "quantized"))], &run.notes)
  }

  /// - Parameter float: digest of the float model.
  private func addRows(
    _ own: ConfigurationValue, _ float: String?, _ path: String, to run: inout Run
  ) throws(MemoryError) {
    let metric = own["metric"]?.text
    if let model = own["model"]?.text { run.title = run.command == "demo" ? model : "\(model): recipes compared" }
    var folders: [(String, String)] = []
    for row in own["rows"]?.items ?? [] {
      let recipe = row["recipe"]?.text
      let name = recipe ?? "float"
      var variant = ReportVariant(name: name, title: row["title"]?.text ?? name, isQuantized: recipe != nil)
      variant.bytes = row["bytes"]?.whole
      variant.floatShare = row["float_share"]?.double
      variant.milliseconds = (row["milliseconds_per_image_and_call"] ?? row["milliseconds_per_image_and_step"])?.double
      variant.quantizationSeconds = row["quantization_seconds"]?.double
      variant.quantizationPeakMemory = row["quantization_peak_memory"]?.whole
      variant.psnrMean = row["psnr_mean_decibels"]?.double
      variant.decoderPSNR = row["decoder_psnr_mean_decibels"]?.double
      variant.psnrPooled = row["psnr_pooled_decibels"]?.double
      variant.ssim = row["ssim_mean"]?.double
      variant.distances =
        row["frechet_distances"]?.items.compactMap(\.double)
        ?? (row["frechet_distance"]?.double).map { [$0] } ?? []
      variant.distanceTitle = metric
      let images = joined(path, name)
      folders.append(
        (variant.title, Folder.kind(of: joined(images, "seed-0")) == .folder ? joined(images, "seed-0") : images))
      guard recipe != nil else {
        variant.digest = float
        run.members.append(Member(variant: variant))
        continue
      }
      var found = member(variant, at: joined(path, name + ".safetensors"), &run.notes)
      addSteps(to: &found, journal: joined(path, "\(name).steps.jsonl"))
      run.members.append(found)
    }
    run.gallery = try gallery(run.title, folders, &run.notes)
  }

  /// Reads what was measured of an artefact step by step.
  private func addSteps(to member: inout Member, journal path: String) {
    guard member.artefact != nil, let digest = member.variant.digest, Folder.kind(of: path) == .file,
      let journal = try? StepJournal(path, networks: ["\(member.variant.name) \(digest)"]),
      let first = journal.entries.keys.min(), let last = journal.entries.keys.max()
    else { return }
    member.variant.stepDecibels = journal.pooled(first...last)[0].map(\.ratio.number)
    if member.timesteps.count == member.variant.stepDecibels.count { member.variant.timesteps = member.timesteps }
  }

  private func gallery(
    _ title: String, _ folders: [(name: String, path: String)], _ notes: inout [String]
  ) throws(MemoryError) -> ReportDocument.Gallery? {
    let models = folders.compactMap { entry in StoredImages(in: entry.path).map { (entry.name, $0) } }
    return models.count == folders.count ? try GalleryMaker.gallery(title, models: models, notes: &notes) : nil
  }

  private static func provenance(_ record: ConfigurationValue, _ path: String) -> ReportDocument.Provenance {
    var facts = [ReportDocument.Provenance.Fact("folder", path)]
    if let version = record["halftone"]?.text { facts.append(.init("program", "halftone \(version)")) }
    let machine = record["machine"]
    if let processor = machine?["processor"]?.text {
      let cores = machine?["logical_cores"]?.whole.map { ", \($0) processors" } ?? ""
      facts.append(.init("machine", processor + cores))
    }
    if let kernel = machine?["kernel"]?.text { facts.append(.init("system", kernel)) }
    let leaves = RunIdentity(record["identity"]?["configuration"] ?? [:]).leaves
    facts += leaves.sorted { $0.key < $1.key }.prefix(80).map { .init($0.key, $0.value) }
    return .init(title: fileName(of: path), command: shellCommand(record["arguments"]?.texts ?? []), facts: facts)
  }
}

extension ConfigurationValue {
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
  fileprivate var items: [ConfigurationValue] { if case .list(let items) = self { items } else { [] } }
  fileprivate var texts: [String] { items.compactMap(\.text) }
  fileprivate var whole: Int? { if case .integer(let value) = self { value } else { nil } }
  fileprivate var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value.isFinite ? value : nil
    case .null, .bool, .string, .list, .map: nil
    }
  }
}
