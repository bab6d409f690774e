import CKernels
import Platform
import Synchronization

/// A fixed set of threads that share loops. They spin for a moment after each loop, because the next one usually follows
/// within microseconds, then sleep.
///
/// Indices are handed out one by one to whichever thread is free, so work must be split over outputs: then results do
/// not depend on the thread count. Where there are no more of them than 64, a thread takes its own number first: loops over
/// the same parts of an image then find them in the same processor's cache.
package final class WorkerPool: Sendable {
  /// Including the caller's own; fewer than asked for if the system starts no more.
  package let threads: Int
  private let crew = WorkerCrew()
  private let workers: [pthread_t]

  /// - Precondition: 1...1024 threads; one means that the caller does everything.
  package init(threads: Int) {
    precondition((1...1024).contains(threads))
    var workers: [pthread_t] = []
    while workers.count < threads - 1 {
      let context = Unmanaged.passRetained(WorkerContext(crew: crew, number: workers.count + 1))
      var worker = pthread_t()
      let status = pthread_create(
        &worker, nil,
        { context in
          let worker = Unmanaged<WorkerContext>.fromOpaque(context!).takeRetainedValue()
          worker.crew.work(as: worker.number)
          return nil
        }, context.toOpaque())
      guard status == 0 else {
        context.release()
        break
      }
      workers.append(worker)
    }
    self.workers = workers
    self.threads = workers.count + 1
  }

  deinit {
    crew.stop()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// One worker per processor; started at first use.
  package static let shared = WorkerPool(threads: min(processorCount, 1024))

  /// Processors this process may run on.
  package static var processorCount: Int { Int(ht_processor_count()) }

  /// Calls `body` with every index in 0..<count, in any order and on any thread, and returns when all calls have.
  ///
  /// Called from inside another parallel loop of this pool, or while another thread uses it, it runs as a plain loop.
  /// - Important: calls run at the same time on several threads; each index must write memory of its own. The compiler
  ///   cannot see that through pointers into shared buffers, hence no `@Sendable` here: callers answer for it.
  package func parallel(_ count: Int, _ body: (Int) -> Void) {
    guard threads > 1, count > 1, crew.acquire() else {
      for index in 0..<max(count, 0) { body(index) }
      return
    }
    withoutActuallyEscaping(body) { body in
      nonisolated(unsafe) let shared = body
      crew.run(WorkerCrew.Loop(count: count) { shared($0) })
    }
    crew.release()
  }
}

/// What a thread of a pool is started with.
private final class WorkerContext: Sendable {
  let crew: WorkerCrew
  /// The caller of a loop is number 0.
  let number: Int

  init(crew: WorkerCrew, number: Int) {
    self.crew = crew
    self.number = number
  }
}

/// What a pool's threads share. Separate from the pool, so that waiting threads do not keep the pool alive.
private final class WorkerCrew: Sendable {
  struct Loop {
    let count: Int
    let body: @Sendable (Int) -> Void
  }

  /// Turns of the waiting loop before a worker sleeps (some 50 microseconds) or the caller yields its processor.
  private static let spins = 2000

  /// How many workers are inside the current loop, whether more may enter, and the number of loops so far. One word, so
  /// that a worker that comes late can not enter a loop whose caller has left.
  private let gate = Atomic<Int>(0)
  private static let open = 1 << 16
  private static let occupants = open - 1
  private static let loopUnit = open << 1

  private let loop = Mutex<Loop?>(nil)
  /// The next index of a long loop.
  private let next = Atomic<Int>(0)
  /// A bit for each index of a short loop that somebody has taken.
  private let taken = Atomic<UInt64>(0)
  private let busy = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  private let sleeping = Atomic<Int>(0)
  private let mutex = SharedSpan<pthread_mutex_t>(.allocate(capacity: 1), count: 1)
  private let wake = SharedSpan<pthread_cond_t>(.allocate(capacity: 1), count: 1)

  init() {
    pthread_mutex_init(mutex.base, nil)
    pthread_cond_init(wake.base, nil)
  }

  deinit {
    pthread_cond_destroy(wake.base)
    pthread_mutex_destroy(mutex.base)
    wake.base.deallocate()
    mutex.base.deallocate()
  }

  // The caller's side

  func acquire() -> Bool { busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged }
  func release() { busy.store(false, ordering: .releasing) }

  func run(_ current: Loop) {
    loop.withLock { $0 = current }
    next.store(0, ordering: .relaxed)
    taken.store(0, ordering: .relaxed)
    // Closed and empty here, so nobody else changes the gate.
    let loops = gate.load(ordering: .relaxed) & ~(Self.open | Self.occupants)
    gate.store((loops &+ Self.loopUnit) | Self.open, ordering: .sequentiallyConsistent)
    if sleeping.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
    drain(current, 0)
    gate.bitwiseAnd(~Self.open, ordering: .acquiringAndReleasing)
    var turns = 0
    while gate.load(ordering: .acquiring) & Self.occupants != 0 {
      turns += 1
      if turns % Self.spins == 0 { sched_yield() } else { ht_pause() }
    }
    loop.withLock { $0 = nil }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  private func wakeAll() {
    pthread_mutex_lock(mutex.base)
    pthread_cond_broadcast(wake.base)
    pthread_mutex_unlock(mutex.base)
  }

  // The workers' side

  func work(as number: Int) {
    var seen = 0
    while let word = waitForLoop(after: seen) {
      seen = word & ~(Self.open | Self.occupants)
      guard enter(seen) else { continue }
      if let current = loop.withLock({ $0 }) { drain(current, number) }
      gate.subtract(1, ordering: .acquiringAndReleasing)
    }
  }

  private func drain(_ current: Loop, _ number: Int) {
    if current.count <= UInt64.bitWidth { return drainShort(current, number) }
    while true {
      let index = next.add(1, ordering: .relaxed).oldValue
      guard index < current.count else { return }
      current.body(index)
    }
  }

  /// The worker's own index first, then what the others have left.
  private func drainShort(_ current: Loop, _ number: Int) {
    let all = UInt64.max >> UInt64(UInt64.bitWidth - current.count)
    var left = all & ~taken.load(ordering: .relaxed)
    while left != 0 {
      let own = number < current.count && left >> UInt64(number) & 1 == 1
      let index = own ? number : left.trailingZeroBitCount
      let before = taken.bitwiseOr(1 << UInt64(index), ordering: .relaxed).oldValue
      if before >> UInt64(index) & 1 == 0 { current.body(index) }
      left = all & ~taken.load(ordering: .relaxed)
    }
  }

  /// Joins loop `number` unless its caller has closed it.
  private func enter(_ number: Int) -> Bool {
    var word = gate.load(ordering: .relaxed)
    while word & ~Self.occupants == number | Self.open {
      let (exchanged, original) = gate.weakCompareExchange(
        expected: word, desired: word + 1, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      word = original
    }
    return false
  }

  /// The gate once it differs from loop `seen`; nil when the pool ends.
  private func waitForLoop(after seen: Int) -> Int? {
    for _ in 0..<Self.spins {
      if let word = news(after: seen) { return stopping.load(ordering: .acquiring) ? nil : word }
      ht_pause()
    }
    pthread_mutex_lock(mutex.base)
    defer { pthread_mutex_unlock(mutex.base) }
    // Announced before the last look: the caller opens the gate, then looks for sleepers.
    sleeping.add(1, ordering: .sequentiallyConsistent)
    defer { sleeping.subtract(1, ordering: .sequentiallyConsistent) }
    while true {
      if let word = news(after: seen) { return stopping.load(ordering: .acquiring) ? nil : word }
      pthread_cond_wait(wake.base, mutex.base)
    }
  }

  private func news(after seen: Int) -> Int? {
    let word = gate.load(ordering: .sequentiallyConsistent)
    let isNew = word & ~(Self.open | Self.occupants) != seen
    return isNew || stopping.load(ordering: .sequentiallyConsistent) ? word : nil
  }
}
