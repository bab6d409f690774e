import Foundation
import TestSupport
import Testing
import Workbench

@Suite struct AssetsTests {
  let temporary: TemporaryFolder

  init() throws { temporary = try TemporaryFolder() }

  /// A folder with the three asset folders and a few files in them.
  private func home() throws -> URL {
    let root = temporary.url.appending(path: "home")
    for folder in ["models/tiny-ddpm", "samplers", "calib"] {
      try FileManager.default.createDirectory(at: root.appending(path: folder), withIntermediateDirectories: true)
    }
    for file in [
      "samplers/ddim-50.yaml", "samplers/ddim-100.yaml", "samplers/notes.txt", "models/README.md",
      "models/tiny-ddpm/config.json",
    ] {
      try Data().write(to: root.appending(path: file))
    }
    return root
  }

  @Test func homeFromEnvironmentWins() throws {
    let root = try home()
    let assets = try Assets.locate(environment: ["HALFTONE_HOME": root.path], executable: "/nowhere/bin/halftone")
    #expect(assets.root == root.path)
  }

  @Test func homeWithoutFoldersIsRefused() {
    #expect(throws: AssetError.badHome("/nonexistent")) {
      try Assets.locate(environment: ["HALFTONE_HOME": "/nonexistent"], executable: "/nowhere/bin/halftone")
    }
    #expect(
      AssetError.badHome("/nonexistent").description
        == "error[E-HOME]: HALFTONE_HOME is /nonexistent, which lacks the folders models, samplers and calib\n"
        + "hint: set HALFTONE_HOME to a checkout of Halftone or to PREFIX/share/halftone")
  }

  @Test func installedPrefixAndCheckoutAreFound() throws {
    let root = try home()
    // PREFIX/bin/halftone finds PREFIX/share/halftone.
    let prefix = temporary.url.appending(path: "prefix")
    try FileManager.default.createDirectory(at: prefix.appending(path: "share"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: root, to: prefix.appending(path: "share/halftone"))
    let installed = try Assets.locate(environment: [:], executable: prefix.path + "/bin/halftone")
    #expect(installed.root == prefix.path + "/share/halftone")
    // CHECKOUT/.build/TRIPLE/release/halftone finds CHECKOUT.
    let built = try Assets.locate(environment: [:], executable: root.path + "/.build/triple/release/halftone")
    #expect(built.root == root.path)
    #expect(throws: AssetError.noHome(executable: "/nowhere/bin/halftone")) {
      try Assets.locate(environment: [:], executable: "/nowhere/bin/halftone")
    }
  }

  @Test func namesAreListedSortedWithoutExtension() throws {
    let assets = Assets(root: try home().path)
    #expect(try assets.names(.sampler) == ["ddim-100", "ddim-50"])
    #expect(try assets.names(.model) == ["tiny-ddpm"])
    #expect(try assets.names(.recipe) == [])
  }

  @Test func assetsAreFoundByNameAndByPath() throws {
    let root = try home()
    let assets = Assets(root: root.path)
    #expect(try assets.path(.sampler, "ddim-50") == root.path + "/samplers/ddim-50.yaml")
    #expect(try assets.path(.sampler, "ddim-50.yaml") == root.path + "/samplers/ddim-50.yaml")
    #expect(try assets.path(.sampler, root.path + "/samplers/notes.txt") == root.path + "/samplers/notes.txt")
    #expect(try assets.path(.model, "tiny-ddpm") == root.path + "/models/tiny-ddpm")
  }

  @Test func unknownNameSuggestsTheNearest() throws {
    let assets = Assets(root: try home().path)
    let error = #expect(throws: AssetError.self) { try assets.path(.sampler, "ddim-51") }
    #expect(
      error?.description
        == "error[E-NOT-FOUND]: no sampler ddim-51: neither a path nor a name (did you mean ddim-50?)\n"
        + "hint: 'halftone list samplers' shows the names: ddim-100, ddim-50")
    #expect(throws: AssetError.self) { try assets.path(.sampler, "../samplers/ddim-50") }
  }

  @Test("all stands for every recipe, by itself only") func everyRecipe() throws {
    let root = try home()
    for file in ["rtn-w8a8.yaml", "gptq-w4a8.yaml", "README.md"] {
      try Data().write(to: root.appending(path: "calib/\(file)"))
    }
    let assets = try Assets.locate(environment: ["HALFTONE_HOME": root.path], executable: "/nowhere/bin/halftone")
    #expect(try AblateCommand.chosen(["all"], assets) == ["gptq-w4a8", "rtn-w8a8"])
    #expect(try AblateCommand.chosen(["all", "rtn-w8a8"], assets) == ["all", "rtn-w8a8"])
  }
}
