import Formats
import Tensors

/// What about a set's images its scores should be read with.
struct ImageSurvey {
  private let path: String
  private var count = 0
  private var shapes = Set<ImageShape>()
  private var origins = ImageOrigins()

  init(path: String) { self.path = path }

  mutating func add(_ images: ImageBatch) {
    count += images.count
    shapes.insert(images.shape)
    origins += images.origins
  }

  var warnings: [String] {
    var out: [String] = []
    if origins.jpegs > 0 {
      out.append(
        "\(path): \(origins.jpegs) of \(count) images are JPEGs; what compression leaves changes scores, so compare only "
          + "sets that were compressed in the same way")
    }
    if origins.droppedAlphas > 0 {
      out.append(
        "\(path): \(origins.droppedAlphas) of \(count) images have an alpha channel; it is opaque everywhere, and was "
          + "dropped")
    }
    if shapes.count > 1 {
      out.append(
        "\(path): images of \(shapes.count) sizes or numbers of channels, each resized for itself; sets of one size compare "
          + "better")
    }
    return out
  }
}
