import Formats
import Quantization
import Tensors

/// A recipe from a report's data, with the layers that make most of the error left in float.
package struct ReportedRecipe: Sendable {
  package let path: String
  /// Which of the report's models; nil where there is one.
  package let name: String?
  /// How many layers are left in float.
  package let count: Int

  package init(path: String, name: String?, count: Int) {
    self.path = path
    self.name = name
    self.count = count
  }

  /// What is taken from the report.
  package struct Found: Sendable {
    package let name: String
    package let recipe: Recipe
    /// The patterns that were added to `float_layers`, the largest share of the error first, and that share.
    package let fixes: [(pattern: String, share: Double)]
    /// Of the float model that the errors were measured against.
    package let source: String
  }

  /// - Throws: what is wrong with the file; `E-REPORT-CHOICE` where it is not clear which model is meant; `E-REPORT-FIX` where
  ///   fewer layers have an error.
  package func read() throws -> Found {
    let value = try JSON.read(path, limit: ReportFile.sizeLimit)
    let document = try ReportFile.document(in: value, file: path)
    let analysed = document.variants.filter { $0.analysis != nil }
    if analysed.isEmpty { throw ReportError.notAnalysed(path: path) }
    let chosen = name.map { name in analysed.filter { $0.name == name } } ?? analysed
    guard chosen.count == 1, let variant = chosen.first, let analysis = variant.analysis,
      let stored = value[ReportFile.recipesKey]?[variant.name]
    else { throw ReportError.choice(path: path, asked: name, known: analysed.map(\.name)) }
    var recipe = try Recipe(stored, file: "\(path): \(ReportFile.recipesKey).\(printable(variant.name))")
    let shares = analysis.shares
    guard count <= shares.count else { throw ReportError.tooMany(path: path, asked: count, known: shares.count) }
    let fixes = shares.prefix(count).map { (pattern: $0.pattern, share: $0.share) }
    recipe.floatLayers += fixes.compactMap { SitePattern($0.pattern) }
    return Found(name: "\(variant.name)-fix\(count)", recipe: recipe, fixes: fixes, source: analysis.float)
  }

  /// The recipe for a model. - Throws: `E-REPORT-MODEL` for another model than the one that errors were measured against.
  func prepared(for source: ModelSource, sampler: SamplerOptions, session: Session) throws -> PreparedRecipe {
    let found = try read()
    if found.source != source.digest {
      throw ReportError.otherModel(path: path, madeFrom: found.source, model: source.path, found: source.digest)
    }
    let lines = found.fixes.map { "\($0.pattern) (\(fixed(100 * $0.share, 1)) % of the error)" }
    session.console.note("left in float:\n  " + listed(lines))
    return try PreparedRecipe(name: found.name, found.recipe, for: source, sampler: sampler, assets: session.assets)
  }
}
