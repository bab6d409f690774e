import Diffusion
import Formats
import Tensors

/// Floating-point and integer arrays of an .npz that a command reads.
struct InputArrays {
  let file: String
  private let archive: NPZFile

  init(_ path: String) throws {
    file = path
    archive = try NPZFile(path)
  }

  func contains(_ name: String) -> Bool { archive.contains(name) }

  /// Says which arrays nobody will read.
  func noteUnused(but used: String..., console: Console) {
    let unused = archive.names.filter { !used.contains($0) } + archive.others
    if unused.isEmpty { return }
    console.note(
      "note: \(file): arrays that are not used: \(listedLines(unused.lazy.map { printable($0) }).joined(separator: ", "))"
    )
  }

  /// A batch of images, N C H W.
  func images(_ name: String, shape: ImageShape, console: Console) throws -> Tensor {
    let x = try floats(name, console: console)
    guard x.rank == 4, x.dims[0] > 0, Array(x.dims.dropFirst()) == shape.dims else {
      throw InputArrayError.shape(file: file, name: name, expected: "N + \(shape.dims), N > 0", found: x.dims)
    }
    return x
  }

  /// An array's values. F64, which NumPy's numbers are by default, is rounded to F32 with a note.
  /// - Throws: where a value is no finite number.
  func floats(_ name: String, console: Console) throws -> Tensor {
    let stored = try archive.tensor(name)
    guard let (x, rounded) = stored.nearestFloats() else {
      throw InputArrayError.elementType(file: file, name: name, found: stored.type)
    }
    if let bad = x.values.firstIndex(where: { !$0.isFinite }) {
      throw InputArrayError.value(
        file: file, name: name, text: "\(stored.doubles()[bad]) at index \(bad), expected finite F32 numbers")
    }
    if rounded > 0 { console.note("note: \(file): \(name) holds F64; its numbers are rounded to F32") }
    return x
  }

  /// One context per image, N L D.
  func contexts(_ name: String, count: Int, tokens: Int?, width: Int?, console: Console) throws -> [Context] {
    let x = try floats(name, console: console)
    let expected = tokens.flatMap { tokens in width.map { [count, tokens, $0] } }
    guard let expected, x.dims == expected else {
      throw InputArrayError.shape(
        file: file, name: name, expected: expected.map { "\($0)" } ?? "no context: the network takes none",
        found: x.dims)
    }
    return (0..<count).map { Context(x.rows($0..<($0 + 1)).reshaped([expected[1], expected[2]])) }
  }

  /// One number per image, of any numeric type. - Parameter limit: what they stay below, from 0 on; nil: anything finite.
  func numbers(_ name: String, count: Int, below limit: Int? = nil) throws -> [Double] {
    let stored = try archive.tensor(name)
    guard stored.dims == [count] else {
      throw InputArrayError.shape(file: file, name: name, expected: "[\(count)]", found: stored.dims)
    }
    if stored.type == .bool {
      throw InputArrayError.value(file: file, name: name, text: "holds truth values, expected numbers")
    }
    let numbers = stored.doubles()
    func isGood(_ number: Double) -> Bool {
      number.isFinite && limit.map { 0 <= number && number < Double($0) } ?? true
    }
    if let bad = numbers.firstIndex(where: { !isGood($0) }) {
      let expected = limit.map { "0 or more and below \($0)" } ?? "finite numbers"
      throw InputArrayError.value(file: file, name: name, text: "\(numbers[bad]) at index \(bad), expected \(expected)")
    }
    return numbers
  }

  /// One class index per image.
  func labels(_ name: String, count: Int) throws -> [Int] {
    try numbers(name, count: count).enumerated().map { position, number in
      guard let label = Int(exactly: number) else {
        throw InputArrayError.value(file: file, name: name, text: "\(number) at index \(position) is no class index")
      }
      return label
    }
  }
}

/// Noise whose start comes from a file: row k is x_T of image k; what steps add is drawn as usual.
package struct InitialNoise: NoiseProvider {
  private let x: Tensor
  private let steps: NoiseSource

  /// The array's name in the file.
  static let arrayName = "x_T"

  /// - Parameters: path: an .npz with an array `x_T`, N C H W; last: the last image index that will be drawn.
  package init(path: String, shape: ImageShape, last: Int, steps: NoiseSource, console: Console) throws {
    let arrays = try InputArrays(path)
    arrays.noteUnused(but: Self.arrayName, console: console)
    x = try arrays.images(Self.arrayName, shape: shape, console: console)
    self.steps = steps
    if x.dims[0] <= last {
      throw InputArrayError.rows(file: path, name: Self.arrayName, has: x.dims[0], last: last)
    }
  }

  package func normals(images: [Int], shape: ImageShape, draw: NoiseDraw) throws -> Tensor {
    switch draw {
    case .initial: .stacked(images.map { x.rows($0..<$0 + 1) })
    case .step: steps.normals(images: images, shape: shape, draw: draw)
    }
  }
}

/// An array in a file that is not what a command needs.
package enum InputArrayError: HalftoneError, Equatable {
  case elementType(file: String, name: String, found: ElementType)
  case shape(file: String, name: String, expected: String, found: [Int])
  case rows(file: String, name: String, has: Int, last: Int)
  case value(file: String, name: String, text: String)

  package var id: String {
    switch self {
    case .elementType: "E-INPUT-TYPE"
    case .shape: "E-INPUT-SHAPE"
    case .rows: "E-INPUT-ROWS"
    case .value: "E-INPUT-VALUE"
    }
  }

  package var exit: ExitStatus { .refusedInput }

  package var message: String {
    switch self {
    case .elementType(let file, let name, let found):
      "\(printable(file)): \(name) holds \(found.rawValue), expected F16, BF16, F32 or F64"
    case .shape(let file, let name, let expected, let found):
      "\(printable(file)): \(name) has shape \(found), expected \(expected)"
    case .rows(let file, let name, let has, let last):
      "\(printable(file)): \(name) has \(has) rows, and image \(last) needs row \(last)"
    case .value(let file, let name, let text):
      "\(printable(file)): \(name): \(text)"
    }
  }
}
