/// What a ZIP file is for, by the names of its members.
package enum ZipContent: Sendable, Equatable {
  /// PNG or JPEG images.
  case images
  /// A PyTorch file: a pickle with its tensors.
  case checkpoint
  /// NumPy arrays, or nothing that is known.
  case arrays

  package init(of file: InputFile) throws {
    let names = try ZipArchive(file).members.lazy.map(\.name)
    if names.contains(where: { $0.hasSuffix("/data.pkl") }) {
      self = .checkpoint
    } else if names.contains(where: ImageFile.isNamedAsImage) {
      self = .images
    } else {
      self = .arrays
    }
  }
}
