import Formats
import Networks
import Tensors

/// The components of a diffusers folder, by its model_index.json, or by which folders are there.
struct PipelineFolder {
  /// The folder of the first stage; nil for pipelines in pixel space.
  let firstStage: String?
  /// What makes contexts of classes; nil where nothing does.
  let classTable: ClassTableFolder?

  /// What pipelines call their first stage.
  private static let firstStageNames = ["vae", "vqvae"]
  private static let supported = ["unet", "scheduler", ClassTableFolder.component] + firstStageNames

  /// nil for a folder that is no pipeline's.
  /// - Throws: when the index is malformed, names components that are not supported, or ones that are not there.
  init?(_ path: String) throws {
    let index = joined(path, "model_index.json")
    let hasIndex = Folder.kind(of: index) == .file
    guard hasIndex || ["unet", "unet_ema"].contains(where: { Self.isNetwork(joined(path, $0)) }) else { return nil }
    let listed = hasIndex ? try Self.components(index) : nil
    if let listed {
      let others = listed.filter { !Self.supported.contains($0) && !$0.hasPrefix("_") }
      if !others.isEmpty { throw ModelSourceError.otherComponents(path: index, names: others) }
    }
    let named = Self.firstStageNames.filter { name in listed?.contains(name) ?? Self.isNetwork(joined(path, name)) }
    if named.count > 1 { throw ModelSourceError.severalFirstStages(path: path, names: named) }
    firstStage = named.first.map { joined(path, $0) }
    if let firstStage, !Self.isNetwork(firstStage) {
      throw ModelSourceError.missingComponent(path: index, name: named[0], file: joined(firstStage, "config.json"))
    }
    let (component, folder) = (ClassTableFolder.component, joined(path, ClassTableFolder.component))
    classTable = listed?.contains(component) ?? Self.isNetwork(folder) ? ClassTableFolder(path: folder) : nil
    if let classTable, !Self.isNetwork(classTable.path) {
      throw ModelSourceError.missingComponent(path: index, name: component, file: joined(folder, "config.json"))
    }
  }

  /// The folder itself, where its config.json is a first stage's; nil where it is not.
  static func ownFirstStage(_ path: String) throws -> String? {
    let file = joined(path, "config.json")
    guard Folder.kind(of: file) == .file, case .string(let name)? = try JSON.read(file)["_class_name"] else {
      return nil
    }
    return FirstStageCatalog.classNames.contains(name) ? path : nil
  }

  private static func isNetwork(_ path: String) -> Bool { Folder.kind(of: joined(path, "config.json")) == .file }

  /// Components with a class, in the order of the index.
  private static func components(_ path: String) throws -> [String] {
    let index = try JSON.read(path)
    guard case .map(let entries) = index else { throw ModelSourceError.badIndex(path: path, found: index.kind) }
    return entries.filter { entry in
      if case .list(let items) = entry.value { return items.contains { $0 != .null } }
      return false
    }.map(\.key)
  }
}
