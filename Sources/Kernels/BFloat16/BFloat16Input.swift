import CKernels

// What tiles of bfloat16 multiply: two input channels at a time, whose products one instruction adds to a sum in Float.

typealias TileInput = UInt16
typealias TileOperand = IntegerLanes
var inputsAtOnce: Int { @inline(__always) get { 2 } }

@inline(__always) func inputOperand(_ p: UnsafePointer<UInt16>) -> IntegerLanes {
  IntegerLanes(repeating: ht_four_bytes(p))
}
@inline(__always) func weightOperand(_ p: UnsafePointer<UInt16>) -> IntegerLanes { ht_load_ints16(p) }
@inline(__always) func addProducts(_ x: IntegerLanes, _ w: IntegerLanes, _ sum: FloatLanes) -> FloatLanes {
  ht_dot_bfloats16(sum, x, w)
}
