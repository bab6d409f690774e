import Networks
import Tensors

extension CheckpointOrigin {
  /// For machines: every hyper-parameter with where it comes from.
  var value: ConfigurationValue {
    [
      "family": .string(family), "configuration": configuration.map { .string($0) } ?? .null,
      "hyperparameters": .list(
        hyperparameters.map { parameter in
          [
            "key": .string(parameter.key), "value": parameter.value, "origin": .string(parameter.origin.word),
            "overridden": parameter.overridden ?? .null,
          ]
        }), "unused": .list(unused.map { .string($0) }),
    ]
  }

  /// For people.
  var lines: [String] {
    var table = Table([("hyper-parameter", .left), ("value", .left), ("origin", .left)])
    for parameter in hyperparameters {
      let instead = parameter.overridden.map { ", instead of \($0.inWords)" } ?? ""
      table.add([parameter.key, parameter.value.inWords, parameter.origin.phrase + instead])
    }
    let file = configuration.map { "configuration \(printable($0))" } ?? "no configuration"
    return ["checkpoint: \(family), \(file)", "", table.markdown]
      + (unused.isEmpty
        ? [] : ["", "not used of the configuration: \(unused.map { printable($0) }.joined(separator: ", "))"])
  }
}
