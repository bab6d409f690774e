import Formats
import Tensors
import TestSupport
import Testing

@Suite struct FirstBytesTests {
  @Test(
    "what stands in a file's place is named",
    arguments: [
      ("", "an empty file", nil as String?),
      (
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "a Git LFS pointer instead of the file",
        "fetch the file itself with 'git lfs pull'"
      ),
      (
        "\n <!DOCTYPE HTML><html>", "a web page instead of the file",
        "download it again, from the address of the file itself"
      ),
      ("GIF89a", "a GIF image", nil), ("RIFF0000WEBPVP8 ", "a WebP image", nil), ("{\"a\": 1}", "a JSON text", nil),
      ("PK\u{3}\u{4}", "a ZIP file", nil), ("something", "a file that starts with bytes 73 6f 6d 65 74 68 69 6e", nil),
    ]) func names(text: String, name: String, hint: String?)
  {
    let found = FirstBytes(Array(text.utf8))
    #expect(found.described == name && found.hint == hint)
  }

  @Test func binaryKindsAreKnownByTheirSignatures() throws {
    #expect(FirstBytes(Safetensors.encode(TensorArchive())).name == "a safetensors file")
    #expect(FirstBytes(try PNG.encode(PixelImage(height: 1, width: 1, channels: 1, pixels: [0]))).name == "a PNG image")
    #expect(FirstBytes([0x80, 2, 0x7d]).name == "a Python pickle")
    #expect(FirstBytes([0x1f, 0x8b, 8]).name == "a gzip file")
  }

  /// Each reader that a user may give such a file to says what it is.
  @Test func readersSayWhatTheyWereGiven() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/set"
      try AtomicFile.write("version https://git-lfs.github.com/spec/v1\n", to: path)
      let messages = [
        thrownError { _ = try ImageSources.open(path) }, thrownError { _ = try NPZFile(path) },
        thrownError { _ = try NPY.read(path) }, thrownError { _ = try PNG.read(path) },
      ].map { "\($0.map { "\($0)" } ?? "read")" }
      for message in messages {
        #expect(message.contains("a Git LFS pointer instead of the file\nhint: fetch the file itself"), "\(message)")
      }
    }
  }
}
