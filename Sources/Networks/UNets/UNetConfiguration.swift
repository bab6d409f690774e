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

/// One family of U-Nets: its configuration, read strictly and written back, and the graph it describes.
package protocol UNetConfiguration: Sendable {
  /// What `_class_name` says in the family's config.json.
  static var className: String { get }
  /// Reads a config.json. - Throws: every problem of the document at once, each with its path.
  static func decode(_ value: ConfigurationValue, file: String) throws(ConfigurationError) -> Self
  /// Every key with its value; `decode` reads it back to an equal configuration.
  var encoded: ConfigurationValue { get }
  /// The size the network was trained for; nil where the configuration leaves it open.
  var sampleSize: SampleSize? { get }
  /// The network on images of `size`, or of `sampleSize` when nil.
  func graph(size: SampleSize?) throws(GraphError) -> Graph
}

extension UNetConfiguration {
  package func graph() throws(GraphError) -> Graph { try graph(size: nil) }
}
