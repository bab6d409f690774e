import Evaluation
import Formats
import Foundation
import Tensors

/// Chooses and encodes the images of a report: few enough that the page stays small, the most different first.
struct GalleryMaker {
  /// Images looked at, images shown, and pixels of all that is shown together.
  private static let examined = 64
  private static let mostRows = 12
  private static let alone = 24
  private static let pixelLimit = 3_000_000
  /// What differences are multiplied with before they are shown.
  static let amplification = 4.0

  /// - Parameters: models: by name, the one that others are compared with first; notes: gets a sentence about images that cannot be shown.
  /// - Returns: nil where there is nothing to show.
  /// - Throws: where a picture cannot be encoded for want of memory.
  static func gallery(
    _ title: String, models: [(name: String, images: StoredImages)], notes: inout [String]
  ) throws(MemoryError) -> ReportDocument.Gallery? {
    guard let first = models.first else { return nil }
    var found: [(index: Int, images: [PixelImage], similarity: Double)] = []
    let indices = first.images.first(models.count == 1 ? alone : examined)
    var absent: [Int] = []
    for index in indices {
      let images = models.compactMap { $0.images.read(index) }
      guard images.count == models.count, images.allSatisfy({ $0.shape == images[0].shape }) else {
        absent.append(index)
        continue
      }
      if let known = found.first, known.images[0].shape != images[0].shape { continue }
      let similarity = images.dropFirst().map { Self.similarity(images[0], $0) }.min() ?? 1
      found.append((index, images, similarity))
    }
    if let example = absent.first {
      notes.append(
        "\(absent.count) of the first \(indices.count) images of \(title) are not shown, image \(example) among them: "
          + (models.count == 1 ? "they cannot be read" : "not every model has them, whole and of one size"))
    }
    guard let shape = found.first?.images[0].shape else { return nil }
    let area = shape.height * shape.width * (2 * models.count - 1)
    let count = min(models.count == 1 ? alone : mostRows, max(pixelLimit / area, 1))
    let ordered = found.sorted { ($0.similarity, $0.index) < ($1.similarity, $1.index) }.prefix(count)
    let rows = try ordered.map { entry throws(MemoryError) in
      ReportDocument.Gallery.Row(
        image: entry.index,
        cells: try entry.images.enumerated().map { position, image throws(MemoryError) in
          position == 0 ? .init(png: try base64(image)) : try cell(image, beside: entry.images[0])
        })
    }
    return .init(
      title: title, models: models.map(\.name), height: shape.height, width: shape.width, rows: Array(rows))
  }

  private static func similarity(_ a: PixelImage, _ b: PixelImage) -> Double {
    StructuralSimilarity.mean(reference: a.pixels, other: b.pixels, shape: a.shape)
  }

  private static func cell(_ image: PixelImage, beside reference: PixelImage) throws(MemoryError)
    -> ReportDocument.Gallery.Cell
  {
    let error = try? SignalToNoise.perImage(reference: reference.pixels, other: image.pixels, shape: image.shape)
    return .init(
      png: try base64(image), difference: try base64(difference(of: image, from: reference)),
      psnr: error?.first?.peakRatio(peak: 255).number, ssim: similarity(reference, image))
  }

  /// Mean over channels of the signed difference, amplified, in the colours of a diverging map.
  private static func difference(of image: PixelImage, from reference: PixelImage) -> PixelImage {
    let channels = image.channels
    let pixels = (0..<(image.height * image.width)).flatMap { pixel -> [UInt8] in
      let sum = (0..<channels).reduce(0) { sum, channel in
        sum + Int(image.pixels[pixel * channels + channel]) - Int(reference.pixels[pixel * channels + channel])
      }
      return Palette.diverging(amplification * Double(sum) / Double(255 * channels))
    }
    return PixelImage(height: image.height, width: image.width, channels: 3, pixels: pixels)
  }

  /// A PNG as pages and data files hold it.
  static func base64(_ image: PixelImage) throws(MemoryError) -> String {
    Data(try PNG.encode(image)).base64EncodedString()
  }
}
