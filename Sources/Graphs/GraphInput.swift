import Tensors

/// An operand that a call of the network brings: its name, what it means and the shape it has for one image.
package struct GraphInput: Sendable, Hashable {
  package enum Meaning: Sendable, Hashable {
    /// What is denoised or classified: the noisy image x, or an image.
    case sample
    /// The training timestep, one number an image.
    case timestep
    /// A class index below `classes`, one number an image.
    case label(classes: Int)
    /// Tokens that condition the network through cross-attention: an encoded text, an embedded class.
    case context
    /// A vector that conditions the network through the timestep's embedding: sizes, pooled text, the guidance scale.
    case vector
  }

  package let name: String
  package let meaning: Meaning
  package let shape: Shape

  package init(name: String, meaning: Meaning, shape: Shape) {
    self.name = name
    self.meaning = meaning
    self.shape = shape
  }
}

/// The kinds of inputs that a value depends on, found by reachability.
package struct InputSet: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let sample = InputSet(rawValue: 1)
  package static let timestep = InputSet(rawValue: 2)
  package static let label = InputSet(rawValue: 4)
  package static let context = InputSet(rawValue: 8)
  package static let vector = InputSet(rawValue: 16)

  init(_ meaning: GraphInput.Meaning) {
    self =
      switch meaning {
      case .sample: .sample
      case .timestep: .timestep
      case .label: .label
      case .context: .context
      case .vector: .vector
      }
  }
}

/// How often a node's value changes while images are sampled: what executors evaluate together.
package enum Phase: Sendable, Hashable, CaseIterable {
  /// Once per sampling step (and label or vector), whatever the images: the temporal information block (Huang et al. 2024,
  /// section 3.1), which depends on neither sample nor context.
  case step
  /// Once per context, whatever step and images: keys and values of cross-attention.
  case context
  /// For each image at each step.
  case sample
}
