import Formats
import Tensors

/// One sample of a number of channels that no image file holds, as an .npz: `x`, F32, C H W, and texts of ASCII bytes
/// under their keys.
enum ArraySample {
  static let values = "x"
  private static let longestText = 4096

  static func write(_ x: Tensor, texts: [(key: String, value: String)], to path: String) throws {
    var archive = TensorArchive(tensors: [values: StoredTensor(x)])
    for (key, value) in texts {
      archive.tensors[key] = StoredTensor(dims: [value.utf8.count], Array(value.utf8))
    }
    try NPZ.write(archive, to: path)
  }

  /// What a sample's file says of itself, and what it holds: values as stored.
  typealias Facts = (texts: [String: String], shape: ImageShape, content: [UInt8])

  /// Reads everything, so that the checksums are looked at.
  static func facts(_ path: String) throws -> Facts {
    let archive = try NPZ.read(path)
    guard let sample = archive.tensors[values], sample.dims.count == 3 else {
      let found = archive.tensors[values]?.dims ?? []
      throw InputArrayError.shape(file: path, name: values, expected: "C H W", found: found)
    }
    let dims = sample.dims
    var texts: [String: String] = [:]
    for (key, stored) in archive.tensors where key != values && stored.type == .u8 && stored.bytes.count <= longestText
    {
      texts[key] = String(validating: stored.bytes, as: UTF8.self)
    }
    return (texts, ImageShape(channels: dims[0], height: dims[1], width: dims[2]), sample.bytes)
  }

  /// C H W. - Throws: when the file holds something else.
  static func values(_ path: String, shape: ImageShape) throws -> Tensor {
    let stored = try NPZFile(path).tensor(values)
    guard stored.dims == shape.dims else {
      throw InputArrayError.shape(file: path, name: values, expected: "\(shape.dims)", found: stored.dims)
    }
    guard stored.type == .f32, let x = stored.floats() else {
      throw InputArrayError.elementType(file: path, name: values, found: stored.type)
    }
    return x
  }
}
