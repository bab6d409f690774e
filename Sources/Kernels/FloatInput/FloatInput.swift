import CKernels

// What tiles of Float multiply: one input channel at a time, by a fused multiply-add, so that every instruction set gives the same bits.

typealias TileInput = Float
typealias TileOperand = FloatLanes
var inputsAtOnce: Int { @inline(__always) get { 1 } }

@inline(__always) func inputOperand(_ p: UnsafePointer<Float>) -> FloatLanes { FloatLanes(repeating: p.pointee) }
@inline(__always) func weightOperand(_ p: UnsafePointer<Float>) -> FloatLanes { load(p) }
@inline(__always) func addProducts(_ x: FloatLanes, _ w: FloatLanes, _ sum: FloatLanes) -> FloatLanes {
  multiplyAdd(x, w, sum)
}
