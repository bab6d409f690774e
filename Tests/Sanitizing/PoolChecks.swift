import Glibc
import Synchronization
import Tensors

/// The worker pool under loops of every length, callers that come together, loops inside loops and pools that go while workers sleep.
enum PoolChecks {
  static func run(_ checks: inout Checks) {
    for threads in [1, 2, 3, 8] { everyIndexOnce(threads, &checks) }
    loopsAreOrdered(&checks)
    callersShare(&checks)
    nestedLoops(&checks)
    poolsComeAndGo(&checks)
  }

  private static func everyIndexOnce(_ threads: Int, _ checks: inout Checks) {
    let pool = WorkerPool(threads: threads)
    var counts = [Int32](repeating: 0, count: 100)
    for loop in 0..<2000 {
      counts.withUnsafeMutableBufferPointer { buffer in
        let span = SharedSpan(buffer.baseAddress!, count: buffer.count)
        pool.parallel(loop % 100) { span[$0] += 1 }
      }
    }
    checks.expect(counts == (0..<100).map { Int32(20 * (99 - $0)) }, "\(threads) threads: an index ran twice or never")
  }

  /// What a loop writes is seen by the next, on whatever thread.
  private static func loopsAreOrdered(_ checks: inout Checks) {
    let pool = WorkerPool(threads: 4)
    var first = Array(0..<64)
    var second = first
    first.withUnsafeMutableBufferPointer { first in
      second.withUnsafeMutableBufferPointer { second in
        let (a, b) = (SharedSpan(first.baseAddress!, count: 64), SharedSpan(second.baseAddress!, count: 64))
        for _ in 0..<501 {
          pool.parallel(64) { b[$0] = a[63 - $0] + 1 }
          pool.parallel(64) { a[$0] = b[$0] }
        }
      }
    }
    checks.expect(first == (0..<64).map { 63 - $0 + 501 }, "a loop did not see what the one before it wrote")
  }

  private static func callersShare(_ checks: inout Checks) {
    let pool = WorkerPool(threads: 3)
    let sum = Atomic<Int>(0)
    let callers = WorkerPool(threads: 4)
    callers.parallel(4) { _ in
      for _ in 0..<500 { pool.parallel(7) { sum.add($0, ordering: .relaxed) } }
    }
    checks.expect(sum.load(ordering: .relaxed) == 4 * 500 * 21, "callers that share a pool lost work")
  }

  private static func nestedLoops(_ checks: inout Checks) {
    let pool = WorkerPool(threads: 3)
    let sum = Atomic<Int>(0)
    for _ in 0..<100 {
      pool.parallel(10) { outer in pool.parallel(10) { sum.add(outer * 10 + $0, ordering: .relaxed) } }
    }
    checks.expect(sum.load(ordering: .relaxed) == 100 * 4950, "a loop inside a loop lost work")
  }

  /// Pools end while their workers spin and while they sleep.
  private static func poolsComeAndGo(_ checks: inout Checks) {
    let sum = Atomic<Int>(0)
    for turn in 0..<200 {
      let pool = WorkerPool(threads: 1 + turn % 5)
      if turn % 20 == 0 { usleep(5000) }
      pool.parallel(33) { sum.add($0, ordering: .relaxed) }
      if turn % 20 == 10 { usleep(5000) }
    }
    checks.expect(sum.load(ordering: .relaxed) == 200 * 528, "pools that come and go lost work")
  }
}
