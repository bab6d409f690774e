import Formats
import Quantization
import Tensors

/// Quantised models as .safetensors files: the arrays, and everything else as JSON text in the metadata.
package enum QuantizedModelFile {
  /// Whether a file is a quantised model, by its container and metadata.
  static func isOne(_ path: String) throws -> Bool {
    try ContainerKind(path) == .safetensors && SafetensorsFile(path).metadata[QuantizedModel.metadataKey] != nil
  }

  /// - Parameter name: what messages call the file; nil: its path.
  package static func read(_ path: String, name: String? = nil) throws -> QuantizedModel {
    try model(in: Safetensors.read(path), file: name ?? path)
  }

  /// The model that a file's arrays and metadata hold. - Parameter name: what messages call the file.
  package static func model(in archive: TensorArchive, file name: String) throws -> QuantizedModel {
    guard let text = archive.metadata[QuantizedModel.metadataKey] else {
      throw QuantizationError.notAnArtefact(file: name)
    }
    let header = try JSON.parse(Array(text.utf8), file: "\(name): __metadata__.\(QuantizedModel.metadataKey)")
    return try QuantizedModel(tensors: archive.tensors, header: header, file: name)
  }

  /// Writes the model, and reads it again before the file gets its name: what nobody could open never appears.
  /// - Parameter verify: looks at the model as it was read, and at the file it was read from, which has no name yet.
  /// - Throws: `E-QM-VALUES` and the like for a model that a reader refuses, `E-QM-WRITTEN` for one that reads as another.
  package static func write(
    _ model: QuantizedModel, to path: String,
    verify: (_ found: QuantizedModel, _ temporary: String) throws -> Void = { _, _ in }
  ) throws {
    let (tensors, header) = model.encode()
    let metadata = ["format": "pt", QuantizedModel.metadataKey: JSONWriter.compact(header)]
    try Safetensors.write(TensorArchive(tensors: tensors, metadata: metadata), to: path) { temporary in
      let found = try read(temporary, name: path)
      if found != model {
        throw QuantizationError.writtenDiffers(file: path, what: "what was written reads as another model")
      }
      try verify(found, temporary)
    }
  }

  /// Bytes of the arrays that `write` would save.
  package static func arrayBytes(of model: QuantizedModel) -> Int {
    model.encode().tensors.values.reduce(0) { $0 + $1.bytes.count }
  }
}
