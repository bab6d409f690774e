import Foundation
import Fuzzing
import TestSupport
import Testing

@Suite struct FuzzingTests {
  @Test("a reader takes or refuses whatever a valid file can become", arguments: try FuzzCatalog.readers().map(\.name))
  func readers(name: String) throws {
    let reader = try #require(try FuzzCatalog.readers().first { $0.name == name })
    for number in 0..<(reader.startsProcesses ? 5 : 150) {
      let text = reader.verdict(on: reader.input(number, seed: 20_260))
      #expect(text == nil, "input \(number) of \(name)")
    }
  }

  @Test("seeds are valid, and inputs the same each time", arguments: try FuzzCatalog.readers().map(\.name))
  func inputs(name: String) throws {
    let reader = try #require(try FuzzCatalog.readers().first { $0.name == name })
    #expect(reader.seeds.allSatisfy { reader.verdict(on: $0) == nil })
    #expect(reader.input(3, seed: 1) == reader.input(3, seed: 1))
    #expect((0..<8).contains { reader.input($0, seed: 1) != reader.input($0, seed: 2) })
  }

  @Test(
    "a file that ends early is refused, wherever it is cut",
    arguments: try FuzzCatalog.readers().filter { !$0.isText }.map(\.name))
  func cutFiles(name: String) throws {
    let reader = try #require(try FuzzCatalog.readers().first { $0.name == name })
    for (position, seed) in reader.seeds.enumerated() {
      // The first 64 bytes and the last 16 one by one, and places between them.
      let places = reader.startsProcesses ? 8 : 150
      let cuts = Set((0..<places).map { $0 * seed.count / places } + Array(0..<64) + (1...16).map { seed.count - $0 })
        .filter { (0..<seed.count).contains($0) && (!reader.startsProcesses || $0 % 8 == 0) }
      for cut in cuts.sorted() {
        let isRefused = try reader.refuses(Array(seed[..<cut]))
        #expect(isRefused, "seed \(position) of \(name), \(cut) of \(seed.count) bytes")
      }
    }
  }

  /// Inputs that once killed, stopped or confused a reader, each under its reader's name.
  @Test("inputs that were found are taken or refused") func found() throws {
    let folder = Fixtures.path("fuzz/found")
    for reader in try FuzzCatalog.readers() {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(reader.name)")) ?? []
      for name in names.sorted() {
        let input = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(reader.name)/\(name)")))
        #expect(reader.verdict(on: input) == nil, "\(reader.name)/\(name)")
      }
    }
  }
}
