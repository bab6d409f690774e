import CHDF5
import Tensors

/// Writing HDF5 files.
package enum HDF5 {
  /// Creates `path` from what `body` writes; it appears under its name only when complete and on the disk.
  package static func write(to path: String, _ body: (HDF5Writer) throws -> Void) throws {
    try AtomicFile.withTemporary(for: path) { temporary in
      let writer = try HDF5Writer(creating: temporary, for: path)
      try body(writer)
      try writer.close()
    }
  }
}

/// An HDF5 file being written: datasets of rows that are appended to, and text attributes. Equal content written in equal
/// steps gives equal bytes: no times are recorded, and the file has the oldest version that can hold it.
package final class HDF5Writer {
  private struct Dataset {
    let id: hid_t
    let type: ElementType
    let rowDims: [Int]
    /// nil: as many as come.
    let expected: Int?
    var rows = 0
  }

  private let path: String
  private var file: hid_t = -1
  private var datasets: [String: Dataset] = [:]

  /// About this many bytes to a chunk: small enough for short datasets, large enough to be read at full speed.
  private static let chunkSize = 1 << 16
  /// Attributes live in object headers, which end at 64 KiB.
  private static let attributeLimit = 60_000

  fileprivate init(creating temporary: String, for path: String) throws {
    self.path = path
    try run { () throws(HDF5Problem) in
      file = H5Fcreate(temporary, H5F_ACC_TRUNC_flag, 0, 0)
      if file < 0 { throw .write(HDF5Library.error()) }
    }
  }

  deinit { try? run { () throws(HDF5Problem) in closeHandles() } }

  /// Creates an empty dataset of rows of `rowDims`; a name with slashes stands in groups.
  /// - Parameter rows: how many will come. Given, the dataset is one contiguous piece whose place in the file does not depend
  ///   on the order in which datasets are appended to; nil, it is chunked and grows.
  package func create(_ name: String, type: ElementType, rowDims: [Int], rows: Int? = nil) throws {
    precondition(datasets[name] == nil, "dataset \(name) is created twice")
    guard let elementType = HDF5Library.standardType(type) else {
      throw FormatError.hdf5(path, .elementType(name, found: type.rawValue))
    }
    try run { () throws(HDF5Problem) in
      let links = try HDF5Handle(ht_h5_properties(Int32(HT_H5_LINK_CREATE)), H5Pclose) { .write($0) }
      let properties = try HDF5Handle(ht_h5_properties(Int32(HT_H5_DATASET_CREATE)), H5Pclose) { .write($0) }
      var dims = ([rows ?? 0] + rowDims).map { hsize_t($0) }
      var limits = dims
      try check(H5Pset_create_intermediate_group(links.id, 1))
      try check(H5Pset_obj_track_times(properties.id, false))
      if rows == nil {
        limits[0] = hsize_t.max
        var chunk = dims
        chunk[0] = hsize_t(max(1, Self.chunkSize / max(1, rowDims.reduce(type.byteCount, *))))
        try check(H5Pset_chunk(properties.id, Int32(chunk.count), chunk))
      } else {
        try check(H5Pset_alloc_time(properties.id, H5D_ALLOC_TIME_EARLY))
        try check(H5Pset_fill_time(properties.id, H5D_FILL_TIME_NEVER))
      }
      let space = try HDF5Handle(H5Screate_simple(Int32(dims.count), &dims, limits), H5Sclose) { .write($0) }
      let id = H5Dcreate2(file, name, elementType, space.id, links.id, properties.id, 0)
      if id < 0 { throw .write(HDF5Library.error()) }
      datasets[name] = Dataset(id: id, type: type, rowDims: rowDims, expected: rows)
    }
  }

  /// Appends rows (N and then the dataset's row dims) to a dataset that was created before.
  package func append(_ name: String, _ rows: StoredTensor) throws {
    guard let dataset = datasets[name] else { preconditionFailure("dataset \(name) was not created") }
    precondition(rows.type == dataset.type && Array(rows.dims.dropFirst()) == dataset.rowDims, "rows of another kind")
    let end = dataset.rows + rows.dims[0]
    precondition(dataset.expected.map { end <= $0 } ?? true, "more rows for \(name) than announced")
    if rows.dims[0] == 0 { return }
    try run { () throws(HDF5Problem) in
      if dataset.expected == nil {
        try check(H5Dset_extent(dataset.id, ([end] + dataset.rowDims).map { hsize_t($0) }))
      }
      let target = try HDF5Handle(H5Dget_space(dataset.id), H5Sclose) { .write($0) }
      let start = [hsize_t(dataset.rows)] + dataset.rowDims.map { _ in 0 }
      let count = rows.dims.map { hsize_t($0) }
      try check(H5Sselect_hyperslab(target.id, H5S_SELECT_SET, start, nil, count, nil))
      let source = try HDF5Handle(H5Screate_simple(Int32(count.count), count, nil), H5Sclose) { .write($0) }
      try check(
        rows.bytes.withUnsafeBytes {
          H5Dwrite(dataset.id, HDF5Library.standardType(dataset.type)!, source.id, target.id, 0, $0.baseAddress)
        })
    }
    datasets[name]!.rows = end
  }

  /// Creates a dataset and writes all of it.
  package func add(_ name: String, _ tensor: StoredTensor) throws {
    try create(name, type: tensor.type, rowDims: Array(tensor.dims.dropFirst()), rows: tensor.dims[0])
    try append(name, tensor)
  }

  /// Sets a text attribute of a dataset or, without one, of the whole file. At most 60,000 bytes.
  package func attribute(_ name: String, _ value: String, of dataset: String? = nil) throws {
    // An HDF5 string has at least one byte; the padding NULs are dropped in reading.
    let bytes = Array(value.utf8) + (value.isEmpty ? [0] : [])
    guard bytes.count <= Self.attributeLimit else {
      throw FormatError.hdf5(
        path, .write("attribute \(name) has \(bytes.count) bytes, over the limit of \(Self.attributeLimit)"))
    }
    precondition(!value.utf8.contains(0), "an attribute cannot hold NUL")
    try run { () throws(HDF5Problem) in
      let type = try HDF5Handle(ht_h5_string_type(bytes.count), H5Tclose) { .write($0) }
      let space = try HDF5Handle(H5Screate(H5S_SCALAR), H5Sclose) { .write($0) }
      let owner = dataset.map { datasets[$0]!.id } ?? file
      let attribute = try HDF5Handle(H5Acreate2(owner, name, type.id, space.id, 0, 0), H5Aclose) { .write($0) }
      try check(bytes.withUnsafeBytes { H5Awrite(attribute.id, type.id, $0.baseAddress) })
    }
  }

  fileprivate func close() throws {
    for (name, dataset) in datasets.sorted(by: { $0.key < $1.key }) {
      precondition(dataset.expected ?? dataset.rows == dataset.rows, "dataset \(name) got \(dataset.rows) rows")
    }
    try run { () throws(HDF5Problem) in
      try check(H5Fflush(file, H5F_SCOPE_GLOBAL))
      if closeHandles() < 0 { throw .write(HDF5Library.error()) }
    }
  }

  @discardableResult private func closeHandles() -> herr_t {
    for dataset in datasets.values { H5Dclose(dataset.id) }
    datasets = [:]
    defer { file = -1 }
    return file >= 0 ? H5Fclose(file) : 0
  }

  private func check(_ status: herr_t) throws(HDF5Problem) {
    if status < 0 { throw .write(HDF5Library.error()) }
  }

  /// libhdf5 passes the system's error on as text only: "errno = 28".
  private static func systemProblem(_ problem: HDF5Problem) -> FileProblem? {
    let mark = "errno = "
    guard case .write(let text) = problem, let found = text.firstRange(of: mark),
      let code = Int32(text[found.upperBound...].prefix { $0.isNumber })
    else { return nil }
    return FileProblem(errno: code, during: .write)
  }

  private func run(_ body: () throws(HDF5Problem) -> Void) throws {
    do {
      try HDF5Library.exclusively(body)
    } catch {
      throw Self.systemProblem(error).map { FormatError.file(path, $0) } ?? FormatError.hdf5(path, error)
    }
  }
}

/// H5F_ACC_TRUNC, a macro that Swift does not import.
private let H5F_ACC_TRUNC_flag: UInt32 = 2
