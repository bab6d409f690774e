import Tensors

/// Every sampler Halftone has. A new one adds its line here.
package enum SamplerCatalog {
  package static let all: [any Sampler.Type] = [
    DDIMSampler.self,
    DDPMSampler.self,
    DPMSolver.self,
    EulerSampler.self,
    EulerAncestralSampler.self,
    HeunSampler.self,
    LCMSampler.self,
    PLMSSampler.self,
    UniPCSampler.self,
  ]

  package static var names: [String] { all.map { $0.name } }

  /// Reads a sampler from a map with a `sampler` key; problems are recorded in `reader`, which the caller finishes.
  /// Nil when the name is missing or unknown.
  package static func read(_ reader: ConfigurationReader) -> (any Sampler)? {
    let legal = names.joined(separator: ", ")
    guard case .string(let name) = reader.value("sampler") else {
      let found = reader.value("sampler").map { ", found \($0.shown)" } ?? ""
      reader.report("sampler", "expected one of \(legal)\(found)")
      // Without the sampler's name nobody can say which of the other keys are wrong.
      reader.keys.forEach { reader.ignore($0) }
      return nil
    }
    guard let type = all.first(where: { $0.name == name }) else {
      let near = nearest(name, in: names).map { "did you mean \"\($0)\"?" }
      let comment = (SamplersElsewhere.explanation(of: name) ?? near).map { " (\($0))" } ?? ""
      reader.report("sampler", "expected one of \(legal), found \"\(printable(name))\"\(comment)")
      reader.keys.forEach { reader.ignore($0) }
      return nil
    }
    return type.init(reading: reader)
  }

  /// Reads a whole document: the content of `samplers/*.yaml`.
  /// - Parameter file: what messages name.
  package static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> any Sampler {
    let reader = ConfigurationReader(value, file: file)
    let sampler = read(reader)
    try reader.finish()
    guard let sampler else { preconditionFailure("a sampler that was not read left no problem") }
    return sampler
  }
}
