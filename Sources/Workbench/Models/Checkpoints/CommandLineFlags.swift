import Tensors

/// Flags as people keep them: the text of a command line, or of the shell variables that its parts stand in.
///
///     MODEL_FLAGS="--image_size 64 --class_cond True \
///       --attention_resolutions 32,16,8"
///     python scripts/image_sample.py $MODEL_FLAGS --num_samples 4
enum CommandLineFlags {
  static let sizeLimit = 1 << 16

  /// The flags as a map of texts.
  /// - Throws: every word that is neither flag nor value, and every flag without a value or with two.
  static func parse(_ bytes: [UInt8], file: String) throws(ConfigurationError) -> ConfigurationValue {
    var problems: [ConfigurationError.Problem] = []
    func report(_ text: String) { problems.append(.init(path: file, text: text)) }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(problems: [.init(path: file, text: "not UTF-8 text")])
    }
    var entries: [ConfigurationValue.Entry] = []
    func add(_ name: Substring, _ value: Substring) {
      let key = String(name)
      if let known = entries.first(where: { $0.key == key }) {
        if known.value != .string(String(value)) { report("--\(printable(key)) stands twice, with other values") }
      } else {
        entries.append(.init(key, .string(String(value))))
      }
    }
    // A line that ends in a backslash goes on in the next.
    for line in text.replacing("\\\n", with: " ").split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
      var open: Substring?
      var sawFlag = false
      for word in line.split(whereSeparator: \.isWhitespace) {
        let bare = unquoted(word)
        if bare.hasPrefix("--") {
          if let open { report("--\(printable(String(open))) has no value") }
          open = nil
          sawFlag = true
          let parts = bare.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
          if parts.count == 2 { add(parts[0], parts[1]) } else { open = parts.first }
        } else if let name = open {
          add(name, bare)
          open = nil
        } else if sawFlag, !bare.hasPrefix("$"), !bare.isEmpty {
          report("\(printable(String(word))) is neither a flag nor a flag's value")
        }
      }
      if let open { report("--\(printable(String(open))) has no value") }
    }
    if entries.isEmpty { report("no flags, as in --image_size 64") }
    if !problems.isEmpty { throw ConfigurationError(problems: problems) }
    return .map(entries)
  }

  /// Without quotation marks, and without `NAME=` in front of the first flag of a shell variable.
  private static func unquoted(_ word: Substring) -> Substring {
    var word = word
    if let start = word.firstRange(of: "=\"--") ?? word.firstRange(of: "='--"), !word.hasPrefix("--") {
      word = word[word.index(after: start.lowerBound)...]
    }
    while let first = word.first, first == "\"" || first == "'" { word.removeFirst() }
    while let last = word.last, last == "\"" || last == "'" { word.removeLast() }
    return word
  }
}
