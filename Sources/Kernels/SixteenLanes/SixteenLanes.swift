import CKernels

// Vectors of the convolution tiles for AVX-512 with VNNI.

typealias FloatLanes = SIMD16<Float>
typealias IntegerLanes = SIMD16<Int32>
var laneCount: Int { @inline(__always) get { 16 } }
/// Of pixels in a Float tile: 24 of the 32 vector registers hold sums.
var floatTilePairs: Int { @inline(__always) get { 6 } }
/// A range's rest of so many pixels or fewer goes to small tiles: two of them cost less than a large one.
var smallTilePixels: Int { @inline(__always) get { 8 } }

@inline(__always) func load(_ p: UnsafePointer<Float>) -> FloatLanes { ht_load16(p) }
@inline(__always) func load(_ p: UnsafePointer<Int32>) -> IntegerLanes { ht_load_ints16(p) }
@inline(__always) func loadCodes(_ p: UnsafePointer<UInt8>) -> IntegerLanes { ht_load_ints16(p) }
@inline(__always) func loadFirst(_ p: UnsafePointer<Float>, _ n: Int) -> FloatLanes { ht_load_first16(p, Int64(n)) }
@inline(__always) func store(_ p: UnsafeMutablePointer<Float>, _ v: FloatLanes) { ht_store16(p, v) }
@inline(__always) func storeFirst(_ p: UnsafeMutablePointer<Float>, _ v: FloatLanes, _ n: Int) {
  ht_store_first16(p, v, Int64(n))
}
@inline(__always) func multiplyAdd(_ a: FloatLanes, _ b: FloatLanes, _ c: FloatLanes) -> FloatLanes {
  ht_fma16(a, b, c)
}
@inline(__always) func convert(_ v: IntegerLanes) -> FloatLanes { ht_to_floats16(v) }
/// sum + the four products of unsigned and signed bytes in each lane.
@inline(__always) func dot(_ sum: IntegerLanes, _ x: IntegerLanes, _ w: IntegerLanes) -> IntegerLanes {
  ht_dot16(sum, x, w)
}
