import CKernels

/// What a pass writes; a constant wherever a loop with it is inlined.
enum StoredElement {
  case float, code, bfloat16
}

/// Stores `count` lanes, 1 to 16, at an element of `destination`.
@inline(__always) func store(
  _ v: SIMD16<Float>, to destination: UnsafeMutableRawPointer, at place: Int, _ count: Int64, as element: StoredElement,
  _ coder: Coder
) {
  switch element {
  case .float:
    let p = destination.assumingMemoryBound(to: Float.self) + place
    if count == 16 { ht_store16(p, v) } else { ht_store_first16(p, v, count) }
  case .code:
    let p = destination.assumingMemoryBound(to: UInt8.self) + place
    if count == 16 { ht_store_bytes16(p, coder.codes(v)) } else { ht_store_first_bytes16(p, coder.codes(v), count) }
  case .bfloat16:
    ht_store_first_bfloats16(destination.assumingMemoryBound(to: UInt16.self) + place, v, count)
  }
}
