import CKernels

// Columns of integers where one instruction sums four products in 32 bits: VNNI, and base, which emulates it.

/// Of pixels in an integer tile: it holds as many sums as one of Float.
var integerTilePairs: Int { @inline(__always) get { floatTilePairs } }

/// Every column is summed alike.
@inline(__always) func integerColumn(_ a: ht_convolution, _ weights: UnsafePointer<UInt8>, _ channel: Int) {
  exactColumn(a, weights, channel)
}
