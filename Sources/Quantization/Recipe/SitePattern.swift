import Graphs
import Networks
import Tensors

/// A glob over node paths, optionally for one role: `conv_in`, `up_blocks.*.upsamplers.*.conv`, `time_embedding.**`,
/// `time_embedding.linear_1:input`. `*` stands for any text without a dot, `**` for any text, `?` for one character. A
/// negative part counts from the end of its list, as in `up_blocks.-1.resnets.*`, so that a recipe fits networks of any
/// depth.
package struct SitePattern: Sendable, Equatable, CustomStringConvertible {
  package let text: String
  private let path: [Character]
  private let role: Site.Role?

  /// nil when the text is empty or names no role after its colon.
  package init?(_ text: String) {
    self.text = text
    if let site = Site(text) {
      self.path = Array(site.node)
      self.role = site.role
    } else {
      self.path = Array(text)
      self.role = nil
    }
    if path.isEmpty || path.contains(":") || path.count > Self.longest { return nil }
  }

  /// Longer than any node path; bounds the matching.
  private static let longest = 512
  /// More than any network has layers: each pattern is compared with each site.
  static let mostPatterns = 4096

  package var description: String { text }

  package func matches(_ site: Site) -> Bool {
    (role == nil || role == site.role) && Self.matches(path[...], Array(site.node)[...])
  }

  /// Whether this describes a kind of layer that U-Nets have and a small one may lack, such as `**.downsamplers.**:input`:
  /// wildcards and words of `vocabulary`, and no position in a list, which would be a claim about the network at hand.
  func isOptional(among vocabulary: Set<String>) -> Bool {
    let parts = String(path).split(separator: ".").map(String.init)
    return parts.contains { $0.contains("*") }
      && parts.allSatisfy { $0.allSatisfy { $0 == "*" } || vocabulary.contains($0) && Int($0) == nil }
  }

  /// The patterns that this one stands for in a network: itself, or, where a part counts from the end, one for each list
  /// of that place that is long enough.
  /// - Parameter nodes: paths of the network's layers.
  func resolved(among nodes: [String]) -> [SitePattern] {
    let parts = String(path).split(separator: ".", omittingEmptySubsequences: false)
    guard let position = parts.firstIndex(where: { $0.first == "-" && Int($0) != nil }),
      let offset = Int(parts[position])
    else { return [self] }
    let before = parts[..<position].joined(separator: ".")
    var lengths: [String: Int] = [:]
    for node in nodes {
      let own = node.split(separator: ".")
      guard own.count > position, let index = Int(own[position]) else { continue }
      let list = own[..<position].joined(separator: ".")
      if Self.matches(Array(before)[...], Array(list)[...]) { lengths[list] = max(lengths[list] ?? 0, index + 1) }
    }
    return lengths.sorted { $0.key < $1.key }.filter { $0.value + offset >= 0 }.flatMap { list, length in
      let name = ([Substring(list), "\(length + offset)"] + parts[(position + 1)...]).joined(separator: ".")
      return SitePattern(name + (role.map { ":\($0)" } ?? ""))?.resolved(among: nodes) ?? []
    }
  }

  /// Wildcards are tried greedily from the left with memory of failed positions, so that time stays the product of the
  /// lengths whatever the pattern.
  private static func matches(_ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
    var failed = Set<Int>()
    func match(_ p: Int, _ t: Int) -> Bool {
      let key = p * (text.count + 1) + t
      if failed.contains(key) { return false }
      let result: Bool
      if p == pattern.count {
        result = t == text.count
      } else if pattern[p] == "*" {
        let double = p + 1 < pattern.count && pattern[p + 1] == "*"
        let next = p + (double ? 2 : 1)
        result = match(next, t) || (t < text.count && (double || text[t] != ".") && match(p, t + 1))
      } else {
        result = t < text.count && (pattern[p] == "?" || pattern[p] == text[t]) && match(p + 1, t + 1)
      }
      if !result { failed.insert(key) }
      return result
    }
    return match(0, 0)
  }
}

/// Which sites of a graph a recipe quantises.
package struct SiteSelection: Sendable, Equatable {
  /// Nodes whose weight becomes codes, in execution order.
  package let weights: [String]
  /// Sites whose activation is quantised, in execution order.
  package let activations: [Site]
  /// Patterns of `float_layers` for kinds of layers that this network lacks.
  package let idlePatterns: [String]

  package init(weights: [String], activations: [Site], idlePatterns: [String] = []) {
    self.weights = weights
    self.activations = activations
    self.idlePatterns = idlePatterns
  }
}

/// Words of the sites' paths of a U-Net that has every kind of layer.
private let layerWords: Set<String> = {
  let sites = (try? UNetPlan.everyKind.graph(size: SampleSize(height: 4, width: 4)))?.sites ?? []
  return Set(sites.filter { $0.role != .output }.flatMap { $0.node.split(separator: ".").map(String.init) })
}()

extension Recipe {
  /// The sites this recipe quantises in `graph`.
  /// - Throws: `E-RECIPE-PATTERN` naming every `float_layers` pattern that matches nothing, unless it describes a kind of
  ///   layer that other U-Nets have: recipes are written for all of them.
  package func selection(in graph: Graph) throws(QuantizationError) -> SiteSelection {
    let sites = graph.sites.filter { $0.role != .output }
    let layers = sites.filter { $0.role == .weight }.map(\.node)
    let patterns = floatLayers.map { ($0, $0.resolved(among: layers)) }
    let unmatched = patterns.filter { _, resolved in !sites.contains { site in resolved.contains { $0.matches(site) } }
    }
    let idle = unmatched.filter { $0.0.isOptional(among: layerWords) }.map(\.0.text)
    let known = Set(idle)
    let wrong = unmatched.filter { !known.contains($0.0.text) }
    if !wrong.isEmpty {
      // Suggestions for as many as the message shows.
      throw .patterns(
        wrong.enumerated().map { position, pattern in
          .init(
            pattern: pattern.0.text,
            near: position < listedLimit ? Self.similar(to: pattern.0.text, in: layers) : [])
        })
    }
    let float = patterns.flatMap(\.1)
    // What is kept is not quantised where it would be computed.
    var idleNodes = Set<String>()
    if case .kept = temporalFeatures {
      let features = graph.temporalFeatures.map { graph.nodes[$0].path }
      idleNodes = Set(graph.idleNodes(keeping: features).map { graph.nodes[$0].path })
    }
    let chosen = sites.filter { site in
      !idleNodes.contains(site.node) && !float.contains { $0.matches(site) }
    }
    return SiteSelection(
      weights: weights == nil ? [] : chosen.filter { $0.role == .weight }.map(\.node),
      activations: activations.map { activations in chosen.filter { activations.quantizes($0.role) } } ?? [],
      idlePatterns: idle)
  }

  /// Up to four layer names a mistyped pattern may have meant: the nearest spelling, or those sharing most of its parts.
  private static func similar(to pattern: String, in layers: [String]) -> [String] {
    let name = Site(pattern)?.node ?? pattern
    if let near = nearest(name, in: layers) { return [near] }
    let parts = Set(name.split(whereSeparator: { ".*".contains($0) }))
    let scored = layers.map { layer in (layer, layer.split(separator: ".").count { parts.contains($0) }) }
    let best = scored.map(\.1).max() ?? 0
    return Array((best == 0 ? layers : scored.filter { $0.1 == best }.map(\.0)).prefix(4))
  }
}

extension Recipe.Activations {
  fileprivate func quantizes(_ role: Site.Role) -> Bool {
    switch role {
    case .input: true
    case .operand: attentionProducts == .quantized
    case .weight, .output: false
    }
  }
}
