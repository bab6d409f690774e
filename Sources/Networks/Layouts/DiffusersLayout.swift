import Graphs

/// The names of diffusers' checkpoints, which are the graph's own; attention layers also under the names of files
/// written before diffusers 0.15.
package struct DiffusersLayout: WeightLayout {
  package let name = "diffusers"

  private static let olderNames = [
    ("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"),
  ]

  package init() {}

  package func expressions(for parameter: Parameter) -> [WeightExpression] {
    let name = parameter.name
    for (current, older) in Self.olderNames {
      for suffix in [".weight", ".bias"] where name.hasSuffix(".\(current)\(suffix)") {
        return [.stored(name), .stored(name.dropLast(current.count + suffix.count) + older + suffix)]
      }
    }
    return [.stored(name)]
  }
}
