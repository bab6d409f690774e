import CYaml
import Tensors

/// Strict YAML: maps, lists and scalars of YAML 1.2's core schema, in one document. Everything that makes a YAML file mean
/// something other than what it shows is refused: anchors and aliases, tags, merge keys, directives, keys that stand twice,
/// numbers with leading zeros, and more than 1 MiB or 32 levels.
///
/// Yams brings libyaml; its events are read here instead of the nodes that Yams composes from them, so that limits hold
/// before anything is built.
package enum YAML {
  package static let sizeLimit = 1 << 20
  package static let depthLimit = 32

  package static func read(_ path: String) throws -> ConfigurationValue {
    try parse(InputFile.contents(of: path, limit: sizeLimit), file: path)
  }

  /// - Parameter file: what messages name.
  package static func parse(_ bytes: [UInt8], file: String) throws -> ConfigurationValue {
    if bytes.count > sizeLimit { throw FormatError.file(file, .tooLarge(size: bytes.count, limit: sizeLimit)) }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw FormatError.yaml(file, .utf8, TextPosition(of: firstInvalid(bytes), in: bytes))
    }
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes
    return try text.withUnsafeBufferPointer { buffer in
      let events = YAMLEvents(buffer)
      do throws(YAMLFault) {
        return try YAMLComposer(events: events).document()
      } catch {
        throw FormatError.yaml(file, error.problem, error.position)
      }
    }
  }

  /// The length of the longest valid beginning, to within one character.
  private static func firstInvalid(_ bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
    return min(offset, max(bytes.count - 1, 0))
  }
}

/// What is wrong with a YAML text, and where.
struct YAMLFault: Error {
  let problem: YAMLProblem
  let position: TextPosition
}

/// libyaml's parser: one event after the other, without any recursion.
private final class YAMLEvents {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let event: UnsafeMutablePointer<yaml_event_t>

  /// - Parameter text: must outlive this object.
  init(_ text: UnsafeBufferPointer<UInt8>) {
    parser = .allocate(capacity: 1)
    event = .allocate(capacity: 1)
    parser.initialize(to: yaml_parser_t())
    event.initialize(to: yaml_event_t())
    precondition(yaml_parser_initialize(parser) == 1, "libyaml cannot start")
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, text.baseAddress, text.count)
  }

  deinit {
    yaml_event_delete(event)
    yaml_parser_delete(parser)
    event.deallocate()
    parser.deallocate()
  }

  /// The next event; valid until the next call.
  func next() throws(YAMLFault) -> yaml_event_t {
    yaml_event_delete(event)
    guard yaml_parser_parse(parser, event) == 1 else {
      let text = parser.pointee.problem.map { String(cString: $0) } ?? "malformed"
      let context = parser.pointee.context.map { String(cString: $0) + ": " } ?? ""
      let mark = parser.pointee.error == YAML_READER_ERROR ? parser.pointee.mark : parser.pointee.problem_mark
      throw YAMLFault(problem: .syntax(context + text), position: TextPosition(mark))
    }
    return event.pointee
  }
}

extension TextPosition {
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1, byte: nil)
  }
}

private struct YAMLComposer {
  let events: YAMLEvents

  func document() throws(YAMLFault) -> ConfigurationValue {
    _ = try events.next()  // start of the stream
    let start = try events.next()
    if start.type == YAML_STREAM_END_EVENT { throw fault(.empty, start) }
    let directives = start.data.document_start
    if directives.version_directive != nil || directives.tag_directives.start != directives.tag_directives.end {
      throw fault(.syntax("directives (%YAML, %TAG) are not used here"), start)
    }
    let value = try node(events.next(), depth: 0)
    _ = try events.next()  // end of the document
    let end = try events.next()
    if end.type != YAML_STREAM_END_EVENT { throw fault(.severalDocuments, end) }
    return value
  }

  private func fault(_ problem: YAMLProblem, _ event: yaml_event_t) -> YAMLFault {
    YAMLFault(problem: problem, position: TextPosition(event.start_mark))
  }

  private func node(_ event: yaml_event_t, depth: Int) throws(YAMLFault) -> ConfigurationValue {
    switch event.type {
    case YAML_SCALAR_EVENT:
      try refuse(anchor: event.data.scalar.anchor, tag: event.data.scalar.tag, event)
      return try scalar(event)
    case YAML_SEQUENCE_START_EVENT:
      try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, event)
      return try list(event, depth: depth + 1)
    case YAML_MAPPING_START_EVENT:
      try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, event)
      return try map(event, depth: depth + 1)
    case YAML_ALIAS_EVENT:
      throw fault(.alias(string(event.data.alias.anchor)), event)
    default:
      throw fault(.syntax("expected a value"), event)
    }
  }

  private func refuse(
    anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, _ event: yaml_event_t
  ) throws(YAMLFault) {
    if let anchor { throw fault(.anchor(string(anchor)), event) }
    if let tag { throw fault(.tag(string(tag)), event) }
  }

  private func list(_ start: yaml_event_t, depth: Int) throws(YAMLFault) -> ConfigurationValue {
    if depth > YAML.depthLimit { throw fault(.depth(limit: YAML.depthLimit), start) }
    var items: [ConfigurationValue] = []
    while true {
      let event = try events.next()
      if event.type == YAML_SEQUENCE_END_EVENT { return .list(items) }
      items.append(try node(event, depth: depth))
    }
  }

  private func map(_ start: yaml_event_t, depth: Int) throws(YAMLFault) -> ConfigurationValue {
    if depth > YAML.depthLimit { throw fault(.depth(limit: YAML.depthLimit), start) }
    var entries: [ConfigurationValue.Entry] = []
    var keys: Set<String> = []
    while true {
      let event = try events.next()
      if event.type == YAML_MAPPING_END_EVENT { return .map(entries) }
      // The event dies with the next one; its position is needed after reading the value.
      let position = TextPosition(event.start_mark)
      guard event.type == YAML_SCALAR_EVENT else {
        throw event.type == YAML_ALIAS_EVENT
          ? fault(.alias(string(event.data.alias.anchor)), event) : fault(.keyKind, event)
      }
      guard case .string(let key) = try node(event, depth: depth) else { throw fault(.keyKind, event) }
      if key == "<<", event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE { throw fault(.mergeKey, event) }
      if !keys.insert(key).inserted { throw YAMLFault(problem: .duplicateKey(key), position: position) }
      entries.append(.init(key, try node(events.next(), depth: depth)))
    }
  }

  private func string(_ text: UnsafeMutablePointer<yaml_char_t>) -> String { String(cString: text) }

  private func scalar(_ event: yaml_event_t) throws(YAMLFault) -> ConfigurationValue {
    let data = event.data.scalar
    let text = String(decoding: UnsafeBufferPointer(start: data.value, count: data.length), as: UTF8.self)
    guard data.style == YAML_PLAIN_SCALAR_STYLE else { return .string(text) }
    do {
      return try YAMLScalar.value(text)
    } catch {
      throw fault(error, event)
    }
  }
}
