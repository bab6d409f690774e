import Testing
import Workbench

@Suite struct PathsTests {
  @Test(arguments: [
    ("q", "."), ("q/", "."), ("", "."), (".", "."), ("a/q", "a"), ("a//q/", "a"), ("/q", "/"), ("/", "/"), ("//", "/"),
    ("/a/q", "/a"), ("./q", "."), ("ä/é", "ä"),
  ]) func parents(_ path: String, _ parent: String) {
    #expect(parentFolder(of: path) == parent)
  }

  @Test(arguments: [("q", "q"), ("a/q", "q"), ("a/q/", "q"), ("/q", "q"), ("é", "é")])
  func names(_ path: String, _ name: String) {
    #expect(fileName(of: path) == name)
  }
}
