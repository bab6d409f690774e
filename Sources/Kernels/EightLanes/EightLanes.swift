import CKernels

// Vectors of the convolution tiles where registers hold 8 lanes (AVX2) or fewer (base: the compiler splits them).

typealias FloatLanes = SIMD8<Float>
typealias IntegerLanes = SIMD8<Int32>
var laneCount: Int { @inline(__always) get { 8 } }
/// Of pixels in a Float tile: 12 of the 16 vector registers hold sums.
var floatTilePairs: Int { @inline(__always) get { 3 } }
/// A range's rest of so many pixels or fewer is one small tile.
var smallTilePixels: Int { @inline(__always) get { 4 } }

@inline(__always) func load(_ p: UnsafePointer<Float>) -> FloatLanes { ht_load8(p) }
@inline(__always) func load(_ p: UnsafePointer<Int32>) -> IntegerLanes { ht_load_ints8(p) }
@inline(__always) func loadCodes(_ p: UnsafePointer<UInt8>) -> IntegerLanes { ht_load_ints8(p) }
@inline(__always) func loadFirst(_ p: UnsafePointer<Float>, _ n: Int) -> FloatLanes { ht_load_first8(p, Int64(n)) }
@inline(__always) func store(_ p: UnsafeMutablePointer<Float>, _ v: FloatLanes) { ht_store8(p, v) }
@inline(__always) func storeFirst(_ p: UnsafeMutablePointer<Float>, _ v: FloatLanes, _ n: Int) {
  ht_store_first8(p, v, Int64(n))
}
@inline(__always) func multiplyAdd(_ a: FloatLanes, _ b: FloatLanes, _ c: FloatLanes) -> FloatLanes { ht_fma8(a, b, c) }
@inline(__always) func convert(_ v: IntegerLanes) -> FloatLanes { ht_to_floats8(v) }
/// sum + the four products of unsigned and signed bytes in each lane.
@inline(__always) func dot(_ sum: IntegerLanes, _ x: IntegerLanes, _ w: IntegerLanes) -> IntegerLanes {
  ht_dot8(sum, x, w)
}
