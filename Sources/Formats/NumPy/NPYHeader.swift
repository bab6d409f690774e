import Tensors

/// The header of a NumPy array: a Python dictionary as text, read by its grammar and never evaluated.
package struct NPYHeader: Sendable, Equatable {
  package let type: ElementType
  package let bigEndian: Bool
  /// Whether the first axis varies fastest in the data.
  package let fortranOrder: Bool
  package let dims: [Int]
  /// Bytes of data that follow the header.
  package let dataCount: Int

  static let rankLimit = 32
  static let sizeLimit = 65_536

  /// Reads magic, version and header from the front of `stream`, and checks that exactly the array's data follows.
  /// - Parameters: name: the array's name in an archive; file: what messages name.
  init(_ stream: any ByteStream, name: String?, file: String) throws {
    func fault(_ problem: NumPyProblem) -> FormatError { .numpy(file, problem) }
    let start = try stream.read(min(8, stream.remaining))
    guard start.count == 8, start.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      let more = try stream.read(min(FirstBytes.count - start.count, stream.remaining))
      throw fault(.magic(name: name, FirstBytes(start + more)))
    }
    let lengthSize = start[6] == 1 ? 2 : 4
    guard (1...3).contains(start[6]), start[7] == 0 else {
      throw fault(.version(Int(start[6]), Int(start[7]), name: name))
    }
    guard stream.remaining >= lengthSize else { throw fault(.header("the file ends inside it", name: name)) }
    let lengthBytes = try stream.read(lengthSize)
    let length =
      lengthSize == 2 ? Int(lengthBytes.little(UInt16.self, at: 0)) : Int(lengthBytes.little(UInt32.self, at: 0))
    guard length <= Self.sizeLimit else {
      throw fault(.header("\(length) bytes, over the limit of \(Self.sizeLimit)", name: name))
    }
    guard length <= stream.remaining else { throw fault(.header("the file ends inside it", name: name)) }
    var grammar = PythonLiteral(try stream.read(length))
    let fields: [(key: String, value: PythonLiteral.Value)]
    do {
      fields = try grammar.dictionary()
    } catch {
      throw fault(.header("\(error.text) (header character \(error.offset))", name: name))
    }
    do {
      self = try Self(fields, name: name)
    } catch {
      throw fault(error)
    }
    guard stream.remaining == dataCount else {
      throw fault(.length(name: name, expected: dataCount, found: stream.remaining))
    }
  }

  private init(_ fields: [(key: String, value: PythonLiteral.Value)], name: String?) throws(NumPyProblem) {
    for key in ["descr", "fortran_order", "shape"] where fields.count(where: { $0.key == key }) != 1 {
      throw .header("\(quoted(key)) must stand there once", name: name)
    }
    guard fields.count == 3 else { throw .header("unknown keys beside descr, fortran_order and shape", name: name) }
    var description: PythonLiteral.Value?
    var order: Bool?
    var shape: [Int]?
    for field in fields {
      switch (field.key, field.value) {
      case ("descr", let value): description = value
      case ("fortran_order", .bool(let value)): order = value
      case ("shape", .tuple(let value)): shape = value
      default: throw .header("\(quoted(field.key)) has a value of the wrong kind", name: name)
      }
    }
    guard let description, let order, let shape else { throw .header("incomplete", name: name) }
    guard case .string(let code) = description else { throw .elementType("a structure", name: name) }
    guard let first = code.first, "<>|=".contains(first), let type = Self.elementTypes[String(code.dropFirst())] else {
      throw .elementType(quoted(code), name: name)
    }
    guard shape.count <= Self.rankLimit else { throw .shape("\(shape.count) axes, over the limit of 32", name: name) }
    guard let count = byteCount(shape, elementSize: type.byteCount) else {
      throw .shape("shape \(shown(shape)) has more elements than can be counted", name: name)
    }
    (self.type, bigEndian, fortranOrder, dims, dataCount) = (type, first == ">", order, shape, count)
  }

  /// NumPy's codes. BF16 has none.
  private static let elementTypes: [String: ElementType] = [
    "f8": .f64, "f4": .f32, "f2": .f16, "i8": .i64, "i4": .i32, "i2": .i16, "i1": .i8,
    "u8": .u64, "u4": .u32, "u2": .u16, "u1": .u8, "b1": .bool,
  ]

  /// The bytes in front of the data of a row-major, little-endian array: version 1.0, padded so that data starts at a
  /// multiple of 64; nil for element types that NumPy lacks.
  static func encoded(type: ElementType, dims: [Int]) -> [UInt8]? {
    guard let code = elementTypes.first(where: { $0.value == type })?.key else { return nil }
    let shape = dims.map(String.init).joined(separator: ", ") + (dims.count == 1 ? "," : "")
    var text = "{'descr': '\(type.byteCount == 1 ? "|" : "<")\(code)', 'fortran_order': False, 'shape': (\(shape)), }"
    text += String(repeating: " ", count: (64 - (10 + text.utf8.count + 1) % 64) % 64) + "\n"
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes.appendLittle(UInt16(text.utf8.count))
    return bytes + Array(text.utf8)
  }
}
