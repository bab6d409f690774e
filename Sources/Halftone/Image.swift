internal import Formats
internal import Tensors

/// An image: rows from top to bottom, pixels from left to right, channels together (H W C).
public struct Image: Sendable, Equatable {
  /// In pixels.
  public let width: Int
  public let height: Int
  /// 1 for grey, 3 for red, green and blue; any other number is what a network makes of its own data.
  public let channels: Int
  /// 8-bit samples, `height * width * channels` of them: clamp(rint((x + 1) * 127.5)) of `values`, halves to even.
  public let bytes: [UInt8]
  /// The same as the model made them, about -1 to 1.
  public let values: [Float]

  /// An image of 8-bit samples; its values are u / 127.5 - 1.
  /// - Parameters:
  ///   - width: in pixels.
  ///   - height: in pixels.
  ///   - channels: samples a pixel.
  ///   - bytes: H W C.
  /// - Throws: `PipelineError` unless the sides are positive and there are as many samples as they give.
  public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) throws {
    let sides = [width, height, channels]
    guard sides.allSatisfy({ $0 > 0 }), MemoryBudget.product(width, height, channels) == bytes.count else {
      throw PipelineError(
        ArgumentError(
          name: "the number of samples", found: "\(bytes.count)", expected: "\(width) x \(height) x \(channels)"))
    }
    self.width = width
    self.height = height
    self.channels = channels
    self.bytes = bytes
    values = bytes.map(PixelConversion.value)
  }

  /// Row `row` of a batch N C H W.
  init(_ batch: Tensor, row: Int) {
    let pixels = PixelImage(batch, image: row)
    (width, height, channels, bytes) = (pixels.width, pixels.height, pixels.channels, pixels.pixels)
    let (area, depth) = (pixels.width * pixels.height, pixels.channels)
    let start = row * area * depth
    values = (0..<area * depth).map { batch.values[start + $0 % depth * area + $0 / depth] }
  }

  private init(_ pixels: PixelImage) {
    (width, height, channels, bytes) = (pixels.width, pixels.height, pixels.channels, pixels.pixels)
    values = bytes.map(PixelConversion.value)
  }

  var pixels: PixelImage { PixelImage(height: height, width: width, channels: channels, pixels: bytes) }

  /// Writes a PNG file of 8 bits a sample. The file appears whole or not at all.
  /// - Throws: `PipelineError` for other channels than 1 and 3, and where the file cannot be written.
  public func writePNG(to path: String) throws {
    do {
      guard PNG.channelCounts.contains(channels) else {
        throw ArgumentError(name: "the number of channels", found: "\(channels)", expected: "1 or 3 for a PNG file")
      }
      try PNG.write(pixels, to: path)
    } catch {
      throw PipelineError.translated(error)
    }
  }

  /// Reads a PNG file of 8 or 16 bits a sample; 16 are rounded to 8.
  /// - Throws: `PipelineError` for a file that is none, is damaged, or is beyond the limits of docs/formats.md.
  public static func readPNG(_ path: String) throws -> Image {
    do { return Image(try PNG.read(path)) } catch { throw PipelineError.translated(error) }
  }

  /// Images side by side, small ones enlarged without blur, numbered by row and column.
  /// - Parameters:
  ///   - images: of one shape, at least one.
  ///   - columns: images in a row, 1 to 256.
  ///   - first: the number of the first image.
  /// - Throws: `PipelineError` when there is no image, the shapes differ, or the grid does not fit in memory.
  public static func grid(_ images: [Image], columns: Int, first: Int = 0) throws -> Image {
    do {
      guard let shape = images.first?.pixels.shape, images.allSatisfy({ $0.pixels.shape == shape }) else {
        throw ArgumentError(name: "the grid", found: "\(images.count) images", expected: "one or more of one shape")
      }
      try ArgumentError.require(columns, in: 1...256, "columns")
      try ArgumentError.require(first, in: 0...(1 << 40), "first")
      let columns = min(columns, images.count)
      let layout = GridLayout.counted(
        shape, rows: (images.count + columns - 1) / columns, columns: columns, from: first, count: images.count)
      try MemoryBudget.require(layout.byteCount, for: "a grid of \(images.count) images")
      return Image(ImageGrid.compose(images.map(\.pixels), layout))
    } catch {
      throw PipelineError.translated(error)
    }
  }
}

/// Samples of several images as a network sees them, N C H W: states of trajectories, predictions.
public struct SampleBatch: Sendable, Equatable {
  /// Images.
  public let count: Int
  public let channels: Int
  public let height: Int
  public let width: Int
  /// Row-major, N C H W.
  public let values: [Float]

  init(_ tensor: Tensor) {
    (count, channels) = (tensor.dims[0], tensor.dims[1])
    (height, width) = (tensor.dims[2], tensor.dims[3])
    values = tensor.values
  }

  /// Sample `position` as an image: of a pixel model what it shows so far, of a latent model its latents, clamped to [-1, 1].
  /// - Precondition: `position` is from 0 to `count` - 1.
  public func image(_ position: Int) -> Image {
    precondition((0..<count).contains(position), "sample \(position) of \(count)")
    return Image(Tensor([count, channels, height, width], values), row: position)
  }
}
