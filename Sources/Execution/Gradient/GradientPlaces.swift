import Graphs
import Tensors

/// Where the values and cotangents of a gradient executor lie: in one arena, whose bytes are used again once what lay
/// there has been read for the last time.
struct GradientPlaces {
  /// Byte offsets of the values by slot, while the segment is walked forwards and while it is walked back. They differ
  /// for values that are made again.
  private let forward: [Int]
  private let back: [Int]
  /// By slot: whether the walk backwards reads the value and finds it gone.
  let isMadeAgain: [Bool]
  /// Byte offsets of the cotangents by slot; -1 where none is formed.
  let cotangents: [Int]
  let bytes: Int

  init(_ slots: GradientSlots, capacity: Int) {
    let lifetimes = GradientLifetimes(slots)
    var planner = ArenaPlanner()
    func reserve(_ lives: [ClosedRange<Int>?]) -> [BufferID?] {
      lives.enumerated().map { slot, life in
        guard let life, slots.sizes[slot] > 0 else { return nil }
        let buffer = planner.reserve(bytes: 4 * slots.sizes[slot] * capacity, at: life.lowerBound)
        planner.touch(buffer, at: life.upperBound)
        return buffer
      }
    }
    let (values, valuesAgain) = (reserve(lifetimes.values), reserve(lifetimes.valuesAgain))
    let cotangents = reserve(lifetimes.cotangents)
    let (offsets, bytes) = planner.place()
    func places(_ buffers: [BufferID?]) -> [Int] { buffers.map { $0.map { offsets[$0.index] } ?? -1 } }
    forward = places(values)
    back = places(zip(values, valuesAgain).map { $1 ?? $0 })
    isMadeAgain = valuesAgain.map { $0 != nil }
    self.cotangents = places(cotangents)
    self.bytes = bytes
  }

  /// - Parameter isBack: whether the walk backwards has begun.
  func value(_ slot: Int, isBack: Bool) -> Int { isBack ? back[slot] : forward[slot] }
}

/// From when to when the values and cotangents of a gradient executor are needed.
///
/// Time runs through a segment of N nodes forwards, from 1 to N, then back, from N + 2 to 2 N + 1. Before, between and
/// after the two walks the caller writes and reads inputs, outputs and their cotangents.
private struct GradientLifetimes {
  private let slots: GradientSlots
  /// By slot; of a value that is made again its first life. nil: never needed.
  private(set) var values: [ClosedRange<Int>?]
  /// By slot: the second life of a value that is made again.
  private(set) var valuesAgain: [ClosedRange<Int>?]
  private(set) var cotangents: [ClosedRange<Int>?]

  init(_ slots: GradientSlots) {
    self.slots = slots
    values = [ClosedRange<Int>?](repeating: nil, count: slots.count)
    (valuesAgain, cotangents) = (values, values)
    addForward()
    addCotangents()
    addBack()
  }

  private var nodeCount: Int { slots.segment.nodes.count }
  private var between: Int { nodeCount + 1 }
  private var end: Int { 2 * nodeCount + 2 }

  /// Every node with its time in the walk forwards and in the walk back, in the order of the graph.
  private var steps: [(node: Node, forward: Int, back: Int)] {
    slots.segment.nodes.enumerated().map { (slots.graph.nodes[$1], $0 + 1, end - 1 - $0) }
  }

  private mutating func addForward() {
    for index in slots.segment.inputs { values[slots.root(index)].extend(to: 0...end) }
    for (node, time, _) in steps {
      for slot in [node.index] + node.inputs { values[slots.root(slot)].extend(to: time...time) }
      if let site = slots.site(of: node.index) { values[site].extend(to: time...time) }
    }
    for index in slots.segment.outputs { values[slots.root(index)].extend(to: end...end) }
  }

  private mutating func addCotangents() {
    func add(_ slot: Int, _ time: Int) { if slots.needs[slot] { cotangents[slot].extend(to: time...time) } }
    for index in slots.segment.outputs { add(slots.root(index), between) }
    for (node, _, time) in steps {
      for slot in [node.index] + node.inputs { add(slots.root(slot), time) }
      if let site = slots.site(of: node.index) { add(site, time) }
    }
    for index in slots.segment.inputs where slots.targets.inputs.contains(index) { add(slots.root(index), end) }
  }

  private mutating func addBack() {
    var reads = [ClosedRange<Int>?](repeating: nil, count: slots.count)
    for (node, _, time) in steps {
      for slot in slots.readBack(by: node.index) { reads[slot].extend(to: time...time) }
    }
    // From the last to the first, so that all that is made of a value has been seen before the value itself.
    for (node, _, _) in steps.reversed() {
      for slot in [slots.site(of: node.index), node.index].compactMap({ $0 }) {
        guard slots.isMadeAgain(slot), let life = reads[slot] else { continue }
        valuesAgain[slot] = life
        // Where no cotangent reaches the first node that reads it, it is made later.
        for source in slots.sources(of: slot) { reads[source].extend(to: life) }
      }
    }
    for slot in 0..<slots.count where valuesAgain[slot] == nil {
      if let life = reads[slot] { values[slot].extend(to: life) }
    }
  }
}

extension ClosedRange<Int>? {
  /// The smallest range that holds both.
  fileprivate mutating func extend(to other: ClosedRange<Int>) {
    self = self.map { min($0.lowerBound, other.lowerBound)...max($0.upperBound, other.upperBound) } ?? other
  }
}
