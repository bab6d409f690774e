import Tensors

/// Every family of U-Nets, found by `_class_name`. A new family is one file beside this one and one line here.
package enum UNetCatalog {
  package static let families: [any UNetConfiguration.Type] = [
    UNet2DConfiguration.self, DDIMUNetConfiguration.self, OpenAIUNetConfiguration.self,
    LatentUNetConfiguration.self, UNet2DConditionConfiguration.self,
  ]

  /// The configuration in a config.json, decoded by the family that the file names.
  /// - Throws: `ConfigurationError` with every problem of the document.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError)
    -> any UNetConfiguration
  {
    let names = families.map { $0.className }
    let known = names.joined(separator: ", ")
    guard case .map = value else {
      throw ConfigurationError(problems: [.init(path: file, text: "expected a map, found \(value.kind)")])
    }
    guard let found = value["_class_name"] else {
      let text = "missing; it names the network's family: expected one of \(known)"
      throw ConfigurationError(problems: [.init(path: "\(file): _class_name", text: text)])
    }
    if case .string(let name) = found, let family = families.first(where: { $0.className == name }) {
      return try family.decode(value, file: file)
    }
    var text = "expected one of \(known), found \(found.shown)"
    if case .string(let name) = found, let near = nearest(name, in: names) { text += " (did you mean \"\(near)\"?)" }
    throw ConfigurationError(problems: [.init(path: "\(file): _class_name", text: text)])
  }
}
