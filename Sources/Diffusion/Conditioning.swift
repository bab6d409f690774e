import Tensors

/// The tokens that condition an image through cross-attention: an encoded text, an embedded class. A value; equal tokens are
/// equal contexts, however they were made.
package struct Context: Sendable, Hashable {
  /// [tokens, width].
  package let tokens: Tensor
  private let fingerprint: Int

  /// - Precondition: `tokens` has two axes.
  package init(_ tokens: Tensor) {
    precondition(tokens.rank == 2, "a context of shape \(tokens.dims)")
    self.tokens = tokens
    var hasher = Hasher()
    hasher.combine(tokens.dims)
    for value in tokens.values { hasher.combine(value.bitPattern) }
    fingerprint = hasher.finalize()
  }

  package static func == (a: Context, b: Context) -> Bool {
    a.fingerprint == b.fingerprint && a.tokens == b.tokens
  }
  package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

/// The two calls of a network that a guided prediction is made of, in the order of tables' rows.
package enum GuidanceBranch: Int, Sendable, Hashable, CaseIterable {
  case conditional, unconditional
}

/// What one image is conditioned on, besides its timestep. It is carried whole from the command to the network, so that a
/// new kind of conditioning is a member here and nothing on the way changes.
package struct Conditioning: Sendable, Hashable {
  /// Class index, for networks with a class embedding.
  package var label: Int?
  /// Tokens for cross-attention.
  package var context: Context?
  /// Vectors that join the timestep's embedding, by the name of the network's input.
  package var vectors: [String: [Float]]
  /// Which of a guided prediction's two calls it is for; nil where nothing is guided. The network is not told: only tables with rows
  /// for each branch look at it.
  package var branch: GuidanceBranch?

  package init(
    label: Int? = nil, context: Context? = nil, vectors: [String: [Float]] = [:], branch: GuidanceBranch? = nil
  ) {
    self.branch = branch
    self.label = label
    self.context = context
    self.vectors = vectors
  }

  /// Nothing: an unconditional network's.
  package static let none = Conditioning()

  /// Without the context: all that values of the temporal information block can depend on.
  package var withoutContext: Conditioning { Conditioning(label: label, vectors: vectors, branch: branch) }

  /// The same for one call of a guided prediction.
  package func on(_ branch: GuidanceBranch) -> Conditioning {
    var conditioning = self
    conditioning.branch = branch
    return conditioning
  }
}

/// Which conditioning a network takes.
package struct ConditioningForm: Sendable, Hashable {
  /// Number of classes; nil when the network takes no label.
  package var classes: Int?
  /// The label that stands for no class, for guidance; nil where there is none.
  package var unconditionalLabel: Int?
  /// Width of the context's tokens, and how many there are; nil when the network takes none.
  package var context: (tokens: Int, width: Int)? {
    contextTokens.flatMap { tokens in contextWidth.map { (tokens, $0) } }
  }
  private var contextTokens: Int?
  private var contextWidth: Int?
  /// Lengths of the vectors, by name.
  package var vectors: [String: Int]

  package init(
    classes: Int? = nil, unconditionalLabel: Int? = nil, context: (tokens: Int, width: Int)? = nil,
    vectors: [String: Int] = [:]
  ) {
    self.classes = classes
    self.unconditionalLabel = unconditionalLabel
    contextTokens = context?.tokens
    contextWidth = context?.width
    self.vectors = vectors
  }

  package static let unconditional = ConditioningForm()

  /// Every label that stands for a class, in order; empty when the network takes none.
  package var labels: [Int] {
    let all = Array(0..<(classes ?? 0))
    return all.count < 2 ? all : all.filter { $0 != unconditionalLabel }
  }

  /// A conditioning of this form for self-tests and timing: class `label`, zeros for everything else.
  package func example(label: Int = 0) -> Conditioning {
    Conditioning(
      label: classes.map { label % $0 },
      context: context.map { Context(Tensor([$0.tokens, $0.width])) },
      vectors: vectors.mapValues { [Float](repeating: 0, count: $0) })
  }
}
