import Formats
import Quantization
import Tensors

/// Quantised models as .safetensors files: the arrays, and everything else as JSON text in the metadata.
package enum QuantizedModelFile {
  /// The metadata key that holds the header.
  static let metadataKey = "halftone"

  /// Whether a safetensors file is a quantised model, by its metadata.
  static func isOne(_ path: String) throws -> Bool { try SafetensorsFile(path).metadata[metadataKey] != nil }

  package static func read(_ path: String) throws -> QuantizedModel {
    let archive = try Safetensors.read(path)
    guard let text = archive.metadata[metadataKey] else { throw QuantizationError.notAnArtefact(file: path) }
    let header = try JSON.parse(Array(text.utf8), file: "\(path): __metadata__.\(metadataKey)")
    return try QuantizedModel(tensors: archive.tensors, header: header, file: path)
  }

  package static func write(_ model: QuantizedModel, to path: String) throws {
    let (tensors, header) = model.encode()
    let metadata = ["format": "pt", metadataKey: JSONWriter.compact(header)]
    try Safetensors.write(TensorArchive(tensors: tensors, metadata: metadata), to: path)
  }

  /// Bytes of the arrays that `write` would save.
  package static func arrayBytes(of model: QuantizedModel) -> Int {
    model.encode().tensors.values.reduce(0) { $0 + $1.bytes.count }
  }
}
