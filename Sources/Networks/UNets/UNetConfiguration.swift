import Graphs
import Tensors

/// Height and width of the images a network works on.
package struct SampleSize: Hashable, Sendable, CustomStringConvertible {
  package var height: Int
  package var width: Int
  package init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
  package var description: String { "\(height)x\(width)" }
}

/// One family of U-Nets: its configuration, read strictly and written back, and the plan of the graph it describes.
package protocol UNetConfiguration: Sendable {
  /// What `_class_name` says in the family's config.json.
  static var className: String { get }
  /// Reads a config.json. - Throws: every problem of the document at once, each with its path.
  static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self
  /// Every key with its value; `decode` reads it back to an equal configuration.
  var encoded: ConfigurationValue { get }
  /// The size the network was trained for; nil where the configuration leaves it open.
  var sampleSize: SampleSize? { get set }
  /// Tokens of the context that the network looks at, which nothing in its weights tells; nil where it takes none.
  var contextTokens: Int? { get set }
  /// What the network consists of.
  var plan: UNetPlan { get }
}

extension UNetConfiguration {
  /// Networks without transformers take no context.
  package var contextTokens: Int? {
    get { nil }
    set {}
  }

  /// The network on images of `size`, or of `sampleSize` when nil.
  /// - Throws: `GraphError` when the size is unknown, does not divide, or the network exceeds the graph's limits.
  package func graph(size: SampleSize? = nil) throws(GraphError) -> Graph {
    guard let size = size ?? sampleSize else {
      throw GraphError(problems: ["sample_size: the configuration leaves it open; give height and width"])
    }
    return try plan.graph(size: size)
  }
}
