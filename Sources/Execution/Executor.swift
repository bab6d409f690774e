import Diffusion
import Graphs
import Tensors

/// Runs a graph. Implementations: reference (the definition), float, integer.
package protocol Executor: Sendable {
  /// - Returns: the graph's output with the batch axis in front.
  func run(_ input: NetworkInput) throws -> Tensor
}

/// Watches sites during a run.
package struct SiteObserver: Sendable {
  /// Which sites are watched; values at others are not copied.
  let watches: @Sendable (Site) -> Bool
  let receive: @Sendable (Site, Tensor) -> Void
  /// Takes the place of `receive` in executors that find extremes where the values lie.
  let receiveExtremes: (@Sendable (Site, SiteExtremes) -> Void)?

  /// - Parameters:
  ///   - watches: whether a site's values are wanted.
  ///   - receive: gets them, batch axis first, dims as in the graph; called serially, sites in execution order. Temporal
  ///     sites are reported with one row per distinct (timestep, conditioning), attention's probabilities head by head
  ///     and in blocks of queries: N x [1, queries, keys].
  package init(
    watching watches: @escaping @Sendable (Site) -> Bool = { _ in true },
    receive: @escaping @Sendable (Site, Tensor) -> Void
  ) {
    self.init(watching: watches, receive: receive, receiveExtremes: nil)
  }

  /// Watches for extremes alone: executors that can find them without copying values hand them over, one per call and site;
  /// others hand over the values.
  /// - Parameters:
  ///   - watches: whether a site's values are wanted.
  ///   - receiveExtremes: gets the extremes over all images of a call.
  ///   - receive: gets values instead, as in the other initialiser.
  package init(
    watching watches: @escaping @Sendable (Site) -> Bool,
    extremes receiveExtremes: @escaping @Sendable (Site, SiteExtremes) -> Void,
    orValues receive: @escaping @Sendable (Site, Tensor) -> Void
  ) {
    self.init(watching: watches, receive: receive, receiveExtremes: receiveExtremes)
  }

  private init(
    watching watches: @escaping @Sendable (Site) -> Bool, receive: @escaping @Sendable (Site, Tensor) -> Void,
    receiveExtremes: (@Sendable (Site, SiteExtremes) -> Void)?
  ) {
    self.watches = watches
    self.receive = receive
    self.receiveExtremes = receiveExtremes
  }
}

/// A call that does not fit the network.
package enum ExecutionError: HalftoneError, Equatable {
  case shape(expected: [Int], found: [Int])
  case outputShape(expected: [Int], found: [Int])
  case count(what: String, expected: Int, found: Int)
  case labelsMissing(classCount: Int)
  case labelsUnexpected
  case labelOutOfRange(label: Int, classCount: Int)
  /// Dims of a context, nil for none.
  case context(expected: [Int]?, found: [Int]?)
  /// Lengths of the vectors, by name.
  case vectors(expected: [String: Int], found: [String: Int])
  case timestep(value: Double, reason: String)
  case stepMissing(site: String)
  case stepOutOfRange(index: Int, count: Int)
  case unsupported(site: String, reason: String)
  case table(problems: [String])

  package var id: String { "E-EXECUTE" }
  package var exit: ExitStatus { .refusedInput }
  package var message: String {
    switch self {
    case .shape(let expected, let found): "x has shape \(found), the network takes N + \(expected)"
    case .outputShape(let expected, let found):
      "the network's output has shape \(found), a sampler needs \(expected)"
    case .count(let what, let expected, let found): "\(found) \(what) for \(expected) images"
    case .labelsMissing(let count): "the network is class-conditional (\(count) classes) and no labels were given"
    case .labelsUnexpected: "labels were given, but the network is unconditional"
    case .labelOutOfRange(let label, let count): "label \(label) is outside 0..<\(count)"
    case .context(let expected, let found):
      "the network takes \(Self.shown(expected)), and \(Self.shown(found)) was given"
    case .vectors(let expected, let found):
      "the network takes \(Self.shown(expected)), and \(Self.shown(found)) was given"
    case .timestep(let value, let reason): "timestep \(value) \(reason)"
    case .stepMissing(let site): "\(site) has one quantiser per sampling step, but the call names no step"
    case .stepOutOfRange(let index, let count): "sampling step \(index), but the tables hold \(count) steps"
    case .unsupported(let site, let reason): "\(site): \(reason)"
    case .table(let problems): "the quantiser table does not fit the network:\n  " + listed(problems)
    }
  }

  private static func shown(_ context: [Int]?) -> String { context.map { "a context of shape \($0)" } ?? "no context" }

  private static func shown(_ vectors: [String: Int]) -> String {
    if vectors.isEmpty { return "no vector" }
    return "vectors " + vectors.sorted { $0.key < $1.key }.map { "\($0.key) [\($0.value)]" }.joined(separator: ", ")
  }
}
