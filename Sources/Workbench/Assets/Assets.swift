import Formats
import Foundation
import Tensors

/// Models, sampler presets and recipes that come with the program, found by name.
package struct Assets: Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case model, sampler, recipe, decoderRecipe

    package var folder: String {
      switch self {
      case .model: "models"
      case .sampler: "samplers"
      case .recipe: "calib"
      case .decoderRecipe: "calib/decoders"
      }
    }

    /// What messages call one.
    fileprivate var title: String { self == .decoderRecipe ? "decoder's recipe" : rawValue }

    /// The command that lists them.
    fileprivate var listing: String {
      switch self {
      case .model: "models"
      case .sampler: "samplers"
      case .recipe: "recipes"
      case .decoderRecipe: "decoder-recipes"
      }
    }

    fileprivate func isAsset(_ file: String) -> Bool {
      switch self {
      // Feature extractors stand beside the models, without a network's configuration.
      case .model:
        file.hasSuffix(".safetensors")
          || ["unet/config.json", "config.json", "config.yaml"].contains { Folder.kind(of: joined(file, $0)) == .file }
      case .sampler, .recipe, .decoderRecipe: file.hasSuffix(".yaml")
      }
    }
  }

  /// The folder that holds `models`, `samplers` and `calib`.
  package let root: String
  /// Whether there is such a folder.
  private let exists: Bool

  package init(root: String) {
    self.root = root
    exists = true
  }

  private init() {
    root = ""
    exists = false
  }

  /// No folder: everything is given by path.
  package static let none = Assets()

  /// Refuses a folder that lacks one of the three.
  package static func check(_ folder: String) throws(AssetError) {
    if !holdsAssets(folder) { throw .badFolder(folder) }
  }

  /// HALFTONE_HOME; else PREFIX/share/halftone of an installed program; else the checkout above the executable.
  package static func locate(
    environment: [String: String] = ProcessInfo.processInfo.environment, executable: String = executablePath
  ) throws(AssetError) -> Assets {
    if let home = environment["HALFTONE_HOME"], !home.isEmpty {
      guard holdsAssets(home) else { throw .badHome(home) }
      return Assets(root: home)
    }
    let bin = parentFolder(of: executable)
    let shared = joined(parentFolder(of: bin), "share/halftone")
    if holdsAssets(shared) { return Assets(root: shared) }
    var folder = bin
    while folder != "/", folder != "." {
      if holdsAssets(folder) { return Assets(root: folder) }
      folder = parentFolder(of: folder)
    }
    throw .noHome(executable: executable)
  }

  private static func holdsAssets(_ folder: String) -> Bool {
    [Kind.model, .sampler, .recipe].allSatisfy { Folder.kind(of: joined(folder, $0.folder)) == .folder }
  }

  package func folder(_ kind: Kind) -> String { joined(root, kind.folder) }

  /// A file that stands beside assets of a kind. - Throws: where there is no folder of them.
  func shipped(_ kind: Kind, _ name: String) throws(AssetError) -> String {
    guard exists else { throw .noFolder(name) }
    return joined(folder(kind), name)
  }

  /// Names of all assets of one kind, sorted; presets without `.yaml`.
  /// - Throws: when their folder cannot be listed.
  package func names(_ kind: Kind) throws -> [String] {
    let files = exists && Folder.kind(of: folder(kind)) != nil ? try Folder.names(in: folder(kind)) : []
    return files.filter { !$0.hasPrefix(".") && kind.isAsset(joined(folder(kind), $0)) }.map(Self.bareName).sorted()
  }

  /// The path of an asset: an existing path as it is, or a name from `list`, with or without `.yaml`.
  package func path(_ kind: Kind, _ text: String) throws -> String {
    if Folder.kind(of: text) != nil { return text }
    let name = Self.bareName(text)
    let file = kind == .model ? name : name + ".yaml"
    let known = try names(kind)
    if !text.contains("/"), known.contains(name) { return joined(folder(kind), file) }
    throw AssetError.unknown(kind: kind, text: text, near: nearest(name, in: known), known: known)
  }

  /// Where an asset stands, for comparing places; the text itself where there is none.
  package func place(_ kind: Kind, _ text: String) -> String { (try? path(kind, text)) ?? text }

  private static func bareName(_ file: String) -> String {
    file.hasSuffix(".yaml") ? String(file.dropLast(".yaml".count)) : file
  }
}

package enum AssetError: HalftoneError, Equatable {
  case badHome(String)
  case badFolder(String)
  /// Something that comes with the program is asked for, and nobody said where that is.
  case noFolder(String)
  case noHome(executable: String)
  case unknown(kind: Assets.Kind, text: String, near: String?, known: [String])

  package var id: String {
    switch self {
    case .badHome, .badFolder, .noFolder, .noHome: "E-HOME"
    case .unknown: "E-NOT-FOUND"
    }
  }

  package var exit: ExitStatus { .usage }

  package var message: String {
    switch self {
    case .badHome(let home):
      "HALFTONE_HOME is \(printable(home)), which lacks the folders models, samplers and calib"
    case .noFolder(let name): "\(printable(name)) comes with Halftone's models, and no folder of them was named"
    case .badFolder(let folder): "\(printable(folder)) lacks the folders models, samplers and calib"
    case .noHome(let executable):
      "no models, samplers and calib folders near \(printable(executable))"
    case .unknown(let kind, let text, let near, _):
      "no \(kind.title) \(printable(text)): neither a path nor a name"
        + (near.map { " (did you mean \($0)?)" } ?? "")
    }
  }

  package var hint: String? {
    switch self {
    case .badHome, .noHome: "set HALFTONE_HOME to a checkout of Halftone or to PREFIX/share/halftone"
    case .badFolder, .noFolder: "give a checkout of Halftone, or PREFIX/share/halftone of an installed one"
    case .unknown(let kind, _, _, let known):
      known.isEmpty
        ? "give a path, or the folder of models, samplers and calib that names are looked up in"
        : "'halftone list \(kind.listing)' shows the names: \(known.joined(separator: ", "))"
    }
  }
}
