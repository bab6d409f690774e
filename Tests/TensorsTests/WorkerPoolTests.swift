import Synchronization
import Tensors
import Testing

@Suite struct WorkerPoolTests {
  /// Every index once, for loop lengths around the thread count and many loops in a row.
  @Test(arguments: [1, 2, 3, 8]) func runsEveryIndexOnce(threads: Int) {
    let pool = WorkerPool(threads: threads)
    #expect(pool.threads == threads)
    var counts = [Int32](repeating: 0, count: 100)
    for loop in 0..<2000 {
      let length = loop % 100
      counts.withUnsafeMutableBufferPointer { buffer in
        let span = SharedSpan(buffer.baseAddress!, count: buffer.count)
        pool.parallel(length) { span[$0] += 1 }
      }
    }
    // Index i runs in every loop longer than i: 20 rounds of lengths 0..<100.
    #expect(counts == (0..<100).map { Int32(20 * (99 - $0)) })
  }

  /// What a loop writes is seen by the next loop, on whatever thread: each reverses what the one before wrote.
  @Test func loopsAreOrdered() {
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
    #expect(first == (0..<64).map { 63 - $0 + 501 })
  }

  @Test func sleepingWorkersWakeUp() async throws {
    let pool = WorkerPool(threads: 2)
    for _ in 0..<5 {
      // Far longer than the spin.
      try await Task.sleep(for: .milliseconds(5))
      let sum = Atomic<Int>(0)
      pool.parallel(1000) { sum.add($0, ordering: .relaxed) }
      #expect(sum.load(ordering: .relaxed) == 499_500)
    }
  }

  /// Two indices that wait for each other end only if two threads really run them.
  @Test func loopsRunSideBySide() {
    let pool = WorkerPool(threads: 2)
    let arrived = Atomic<Int>(0)
    pool.parallel(2) { _ in
      arrived.add(1, ordering: .sequentiallyConsistent)
      while arrived.load(ordering: .sequentiallyConsistent) < 2 {}
    }
    #expect(arrived.load(ordering: .relaxed) == 2)
  }

  @Test func aLoopInsideALoopRunsSerially() {
    let pool = WorkerPool(threads: 3)
    let sum = Atomic<Int>(0)
    pool.parallel(10) { outer in pool.parallel(10) { sum.add(outer * 10 + $0, ordering: .relaxed) } }
    #expect(sum.load(ordering: .relaxed) == 4950)
  }

  @Test func callersShareAPool() async {
    let pool = WorkerPool(threads: 2)
    let counter = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask { for _ in 0..<200 { pool.parallel(7) { counter.sum.add($0, ordering: .relaxed) } } }
      }
    }
    #expect(counter.sum.load(ordering: .relaxed) == 4 * 200 * 21)
  }

  @Test func emptyLoopsDoNothing() {
    let pool = WorkerPool(threads: 2)
    pool.parallel(0) { _ in Issue.record("called") }
    pool.parallel(-3) { _ in Issue.record("called") }
  }
}

private final class Counter: Sendable {
  let sum = Atomic<Int>(0)
}
