import CHDF5
import Tensors

/// The reading process's view of a file: everything reachable from its root by plain links, each object checked against the
/// short list of what files here may hold before its content is touched.
final class HDF5Walk {
  private(set) var listing = HDF5Messages.Listing()
  private let file: hid_t
  private var datasetIDs: [hid_t] = []
  private var seen: Set<UInt64> = []

  private static let objectLimit = 100_000
  private static let depthLimit = 8
  private static let nameLimit = 1024
  private static let chunkLimit = 64 << 20
  private static let chunkCountLimit = 1 << 22
  private static let rowLimit = 256 << 20

  init(_ path: String) throws(HDF5Problem) {
    // The plain POSIX driver is the default; the access list is explicit so that no environment variable changes it.
    let access = try HDF5Handle(ht_h5_properties(Int32(HT_H5_FILE_ACCESS)), H5Pclose) { .open($0) }
    guard H5Pset_fapl_sec2(access.id) >= 0 else { throw .open(HDF5Library.error()) }
    file = H5Fopen(path, 0, access.id)
    guard file >= 0 else { throw .open(HDF5Library.error()) }
    let root = try HDF5Handle(H5Gopen2(file, "/", 0), H5Gclose) { .open($0) }
    listing.attributes = try attributes(root.id, name: "/")
    try group(root.id, path: "", depth: 0)
    let order = listing.datasets.indices.sorted { listing.datasets[$0].name < listing.datasets[$1].name }
    listing.datasets = order.map { listing.datasets[$0] }
    datasetIDs = order.map { datasetIDs[$0] }
  }

  // MARK: Walking

  private func group(_ group: hid_t, path: String, depth: Int) throws(HDF5Problem) {
    if depth > Self.depthLimit { throw .limit(path, "nested deeper than \(Self.depthLimit) groups") }
    var info = H5G_info_t()
    guard H5Gget_info(group, &info) >= 0 else { throw .read(path, HDF5Library.error()) }
    for index in 0..<info.nlinks {
      let name = try linkName(group, index, path)
      let full = path.isEmpty ? name : "\(path)/\(name)"
      switch ht_h5_link_kind(group, index) {
      case Int32(HT_H5_HARD_LINK): break
      case Int32(HT_H5_SOFT_LINK): throw .link(full, kind: "a soft link")
      case Int32(HT_H5_EXTERNAL_LINK): throw .link(full, kind: "a link to another file")
      case Int32(HT_H5_OTHER_LINK): throw .link(full, kind: "a link of an unknown kind")
      default: throw .read(full, HDF5Library.error())
      }
      try object(group, name, full, depth: depth)
    }
  }

  private func linkName(_ group: hid_t, _ index: hsize_t, _ path: String) throws(HDF5Problem) -> String {
    var buffer = [CChar](repeating: 0, count: Self.nameLimit + 1)
    let length = ht_h5_link_name(group, index, &buffer, buffer.count)
    guard length >= 0 else { throw .read(path, HDF5Library.error()) }
    guard length > 0, length <= Self.nameLimit,
      let name = String(validating: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    else { throw .limit(path, "a name in it is empty, not UTF-8 or longer than \(Self.nameLimit) bytes") }
    return name
  }

  private func object(_ parent: hid_t, _ name: String, _ full: String, depth: Int) throws(HDF5Problem) {
    var kind: Int32 = 0
    var address: UInt64 = 0
    guard ht_h5_object(parent, name, &kind, &address) == 0 else { throw .read(full, HDF5Library.error()) }
    guard seen.insert(address).inserted else { throw .link(full, kind: "a second link to the same object") }
    if seen.count > Self.objectLimit { throw .limit("/", "more than \(Self.objectLimit) objects") }
    switch kind {
    case Int32(HT_H5_GROUP):
      let child = try HDF5Handle(H5Gopen2(parent, name, 0), H5Gclose) { .read(full, $0) }
      try group(child.id, path: full, depth: depth + 1)
    case Int32(HT_H5_DATASET):
      let id = H5Dopen2(parent, name, 0)
      guard id >= 0 else { throw .read(full, HDF5Library.error()) }
      listing.datasets.append(try dataset(id, name: full))
      datasetIDs.append(id)
    default: throw .elementType(full, found: "a named type")
    }
  }

  // MARK: Checking

  private func dataset(_ id: hid_t, name: String) throws(HDF5Problem) -> HDF5File.Dataset {
    let type = try elementType(id, name: name)
    let dims = try shape(id, name: name)
    guard let size = byteCount(dims, elementSize: type.byteCount) else {
      throw .shape(name, "shape \(shown(dims)) has more elements than can be counted")
    }
    let rowSize = dims.dropFirst().reduce(type.byteCount, *)
    if rowSize > Self.rowLimit { throw .limit(name, "rows of \(rowSize) bytes, over the limit of \(Self.rowLimit)") }
    try storage(id, name: name, dims: dims, type: type)
    let stored = Int(clamping: H5Dget_storage_size(id))
    let limit = max(ZipArchive.ratioFloor, stored.multipliedReportingOverflow(by: ZipArchive.ratioLimit).partialValue)
    if size > limit { throw .limit(name, "\(stored) stored bytes would become \(size), over the limit of \(limit)") }
    return .init(name: name, type: type, dims: dims, attributes: try attributes(id, name: name))
  }

  private func elementType(_ dataset: hid_t, name: String) throws(HDF5Problem) -> ElementType {
    let type = try HDF5Handle(H5Dget_type(dataset), H5Tclose) { .read(name, $0) }
    for candidate in ElementType.allCases {
      for bigEndian in [false, true] {
        guard let standard = HDF5Library.standardType(candidate, bigEndian: bigEndian) else { continue }
        if H5Tequal(type.id, standard) > 0 { return candidate }
      }
    }
    let found =
      switch H5Tget_class(type.id) {
      case H5T_STRING: "strings"
      case H5T_COMPOUND: "compounds"
      case H5T_VLEN: "lists of variable length"
      case H5T_REFERENCE: "references"
      case H5T_ENUM: "enumerations"
      case H5T_ARRAY: "arrays"
      case H5T_OPAQUE: "opaque data"
      default: "numbers of an unusual layout"
      }
    throw .elementType(name, found: found)
  }

  private func shape(_ dataset: hid_t, name: String) throws(HDF5Problem) -> [Int] {
    let space = try HDF5Handle(H5Dget_space(dataset), H5Sclose) { .read(name, $0) }
    let rank = H5Sget_simple_extent_ndims(space.id)
    guard (1...8).contains(rank) else { throw .shape(name, "\(rank) axes; expected 1 to 8") }
    var dims = [hsize_t](repeating: 0, count: Int(rank))
    guard H5Sget_simple_extent_dims(space.id, &dims, nil) == rank else { throw .read(name, HDF5Library.error()) }
    let exact = dims.compactMap { Int(exactly: $0) }
    guard exact.count == dims.count else { throw .shape(name, "an axis of more than 2^63 elements") }
    return exact
  }

  private func storage(_ dataset: hid_t, name: String, dims: [Int], type: ElementType) throws(HDF5Problem) {
    let properties = try HDF5Handle(H5Dget_create_plist(dataset), H5Pclose) { .read(name, $0) }
    if H5Pget_external_count(properties.id) != 0 { throw .storage(name, kind: "in other files") }
    switch H5Pget_layout(properties.id) {
    case H5D_COMPACT, H5D_CONTIGUOUS: break
    case H5D_CHUNKED: try chunks(properties.id, name: name, dims: dims, type: type)
    case H5D_VIRTUAL: throw .storage(name, kind: "as a view of other datasets")
    default: throw .storage(name, kind: "in an unknown way")
    }
    let filters = H5Pget_nfilters(properties.id)
    guard filters >= 0 else { throw .read(name, HDF5Library.error()) }
    for index in 0..<UInt32(filters) {
      var flags: UInt32 = 0
      var count = 0
      var configuration: UInt32 = 0
      let filter = H5Pget_filter2(properties.id, index, &flags, &count, nil, 0, nil, &configuration)
      // Deflate, shuffle, fletcher32.
      guard (1...3).contains(filter) else { throw .filter(name, Int(filter)) }
    }
  }

  private func chunks(_ properties: hid_t, name: String, dims: [Int], type: ElementType) throws(HDF5Problem) {
    var chunk = [hsize_t](repeating: 0, count: dims.count)
    guard H5Pget_chunk(properties, Int32(dims.count), &chunk) == Int32(dims.count), !chunk.contains(0) else {
      throw .read(name, HDF5Library.error())
    }
    let sides = chunk.map { Int(clamping: $0) }
    guard let size = byteCount(sides, elementSize: type.byteCount), size <= Self.chunkLimit else {
      throw .limit(name, "chunks of \(shown(sides)) elements, over the limit of \(Self.chunkLimit) bytes")
    }
    let counts = zip(dims, sides).map { $0 / $1 + ($0 % $1 == 0 ? 0 : 1) }
    guard let count = byteCount(counts, elementSize: 1), count <= Self.chunkCountLimit else {
      throw .limit(name, "more than \(Self.chunkCountLimit) chunks")
    }
  }

  private func attributes(_ owner: hid_t, name: String) throws(HDF5Problem) -> [String: String] {
    let count = H5Aget_num_attrs(owner)
    guard count >= 0 else { throw .read(name, HDF5Library.error()) }
    guard count <= 1000 else { throw .limit(name, "\(count) attributes") }
    var result: [String: String] = [:]
    for index in 0..<UInt32(count) {
      let attribute = try HDF5Handle(H5Aopen_idx(owner, index), H5Aclose) { .read(name, $0) }
      var buffer = [CChar](repeating: 0, count: 256)
      let length = H5Aget_name(attribute.id, buffer.count, &buffer)
      guard (1..<buffer.count).contains(length) else { throw .limit(name, "an attribute's name is empty or too long") }
      let key = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let type = try HDF5Handle(H5Aget_type(attribute.id), H5Tclose) { .read(name, $0) }
      let space = try HDF5Handle(H5Aget_space(attribute.id), H5Sclose) { .read(name, $0) }
      let size = H5Tget_size(type.id)
      guard H5Tget_class(type.id) == H5T_STRING, H5Tis_variable_str(type.id) == 0,
        H5Sget_simple_extent_npoints(space.id) == 1, (1...65_536).contains(size)
      else { throw .attribute(key, of: name) }
      var bytes = [UInt8](repeating: 0, count: size)
      guard H5Aread(attribute.id, type.id, &bytes) >= 0 else { throw .read(name, HDF5Library.error()) }
      guard let text = String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) else {
        throw .attribute(key, of: name)
      }
      result[key] = text
    }
    return result
  }

  // MARK: Reading

  /// Rows `first`..<`first + count` of dataset `index`, handed over in pieces of whole rows.
  func rows(_ index: Int, first: Int, count: Int, _ body: ([UInt8]) throws(HDF5Problem) -> Void) throws(HDF5Problem) {
    guard listing.datasets.indices.contains(index) else { throw .reply("a dataset that is not there was asked for") }
    let dataset = listing.datasets[index]
    guard first <= dataset.dims[0], count <= dataset.dims[0] - first else {
      throw .rows(name: dataset.name, asked: first..<first, has: dataset.dims[0])
    }
    let rowSize = dataset.dims.dropFirst().reduce(dataset.type.byteCount, *)
    let batch = max(1, HDF5Messages.pieceLimit / max(rowSize, 1))
    for start in stride(from: first, to: first + count, by: batch) where rowSize > 0 {
      let rows = min(batch, first + count - start)
      let space = try HDF5Handle(H5Dget_space(datasetIDs[index]), H5Sclose) { .read(dataset.name, $0) }
      let offsets = [hsize_t(start)] + dataset.dims.dropFirst().map { _ in 0 }
      let sides = ([rows] + dataset.dims.dropFirst()).map { hsize_t($0) }
      guard H5Sselect_hyperslab(space.id, H5S_SELECT_SET, offsets, nil, sides, nil) >= 0 else {
        throw .read(dataset.name, HDF5Library.error())
      }
      let target = try HDF5Handle(H5Screate_simple(Int32(sides.count), sides, nil), H5Sclose) {
        .read(dataset.name, $0)
      }
      var bytes = [UInt8](repeating: 0, count: rows * rowSize)
      guard
        H5Dread(datasetIDs[index], HDF5Library.standardType(dataset.type)!, target.id, space.id, 0, &bytes) >= 0
      else { throw .read(dataset.name, HDF5Library.error()) }
      try body(bytes)
    }
  }
}
