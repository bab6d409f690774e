import Diffusion
import Formats
import Networks
import Tensors

/// The class table of a diffusers folder: what its network is given as `encoder_hidden_states` is the row of an image's class, one token.
///
/// It stands in the folder `class_embedder`, as a module with an embedding is saved: config.json with `_class_name` `ClassEmbedder`
/// and the arguments of CompVis' module (`n_classes`, `embed_dim`, and `ucg_rate`, above 0 where the last row stands for no class),
/// and weights whose only array is `embedding.weight`, [classes, width].
struct ClassTableFolder {
  static let component = "class_embedder"
  private static let className = "ClassEmbedder"

  let path: String

  /// - Parameters:
  ///   - unconditional: the row that stands for no class, where the user says it; nil: what the configuration says.
  ///   - context: what the network takes.
  /// - Throws: what is wrong with the configuration, with the array, or with the two together.
  func read(
    unconditional: UnconditionalRow?, variant: String?, for form: ConditioningForm
  ) throws -> (embedder: ClassEmbedder, notes: [String]) {
    let said = try configuration()
    let opened = try Checkpoint(path, Checkpoint.Options(variant: variant))
    let weights = opened.weights
    let others = weights.entries.map(\.name).filter { $0 != ClassTable.array }.sorted()
    guard let entry = weights.entry(ClassTable.array), others.isEmpty else {
      throw problem("expected one array called \(ClassTable.array)", found: weights.entries.map(\.name).sorted())
    }
    guard entry.dims.count == 2, let classes = entry.dims.first, let width = entry.dims.last, classes > 0, width > 0
    else { throw problem("expected \(ClassTable.array) of classes and channels", found: ["shape \(entry.dims)"]) }
    guard said.classes ?? classes == classes, said.width ?? width == width else {
      throw problem(
        "config.json says \(said.classes ?? classes) classes of \(said.width ?? width) channels",
        found: ["shape \(entry.dims)"])
    }
    try checkWidth(width, form)
    let row: Int?
    switch unconditional {
    case nil: row = said.lastIsUnconditional ? classes - 1 : nil
    case .some(.none): row = nil
    case .row(let chosen):
      guard chosen < classes else {
        throw problem("--unconditional \(chosen)", found: ["rows 0 to \(classes - 1)"])
      }
      row = chosen
    }
    return (ClassEmbedder(try ClassTable.rows(of: weights), unconditional: row), opened.notes)
  }

  /// A table of the size that the configuration says, with values drawn from `seed`, for timing: weights are not read.
  /// - Throws: what is wrong with the configuration, or with it and the network together.
  func drawn(seed: UInt64, for form: ConditioningForm) throws -> ClassEmbedder {
    let said = try configuration()
    let (classes, width) = (said.classes ?? Self.usualClasses, said.width ?? form.context?.width ?? 0)
    try checkWidth(width, form)
    try MemoryBudget.require(MemoryBudget.product(classes, width, 4), for: "a table of \(classes) classes")
    let shape = ImageShape(channels: 1, height: classes, width: width)
    let values = NoiseSource(seed: seed, stream: .recipe).normals(images: [0], shape: shape, draw: .initial).values
    return ClassEmbedder(Tensor([classes, width], values), unconditional: said.lastIsUnconditional ? classes - 1 : nil)
  }

  /// What CompVis' module has where nothing is said.
  private static let usualClasses = 1000

  private func checkWidth(_ width: Int, _ form: ConditioningForm) throws(ModelSourceError) {
    guard form.classes == nil, let context = form.context, context.width == width else {
      let taken =
        form.classes.map { "takes labels of \($0) classes itself" } ?? form.context.map {
          "looks at contexts of \($0.width) channels"
        } ?? "looks at no context"
      throw problem("the network \(taken)", found: ["rows of \(width) channels"])
    }
  }

  private func problem(_ text: String, found: [String]) -> ModelSourceError {
    .classTable(path: path, problem: text, found: found)
  }

  private func configuration() throws -> (classes: Int?, width: Int?, lastIsUnconditional: Bool) {
    let file = joined(path, "config.json")
    let reader = ConfigurationReader(try JSON.read(file), file: file)
    if reader.string("_class_name") != Self.className {
      reader.report("_class_name", "expected \"\(Self.className)\"")
    }
    for key in reader.keys where key.hasPrefix("_") { reader.ignore(key) }
    reader.ignore("key", "device")
    let sizes = 1...UNetOutline.largestWidth
    let classes = reader.optional("n_classes") { reader.int($0, in: sizes) }
    let width = reader.optional("embed_dim") { reader.int($0, in: sizes) }
    let dropped = reader.double("ucg_rate", default: 0, in: 0...1)
    try reader.finish()
    return (classes, width, dropped > 0)
  }
}
