/// Every quantisation method Halftone has. A new one adds its line here.
package enum Catalog {
  package static let methods: [QuantizationMethod] = [
    .roundToNearest, .ptq4dm, .tfmq, .qdiffusion, .qdrop, .gptq, .mixedPrecision, .halftone,
  ]

  package static var names: [String] { methods.map { $0.name } }

  package static func method(named name: String) -> QuantizationMethod? { methods.first { $0.name == name } }
}
