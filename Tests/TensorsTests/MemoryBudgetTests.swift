import Tensors
import Testing

@Suite struct MemoryBudgetTests {
  @Test func sizesThatOverflowAreAsLargeAsCanBe() {
    #expect(MemoryBudget.product(3, 4, 5) == 60)
    #expect(MemoryBudget.product(1 << 40, 1 << 40) == .max)
    #expect(MemoryBudget.product(1 << 62, 0) == 0)
    #expect(MemoryBudget.product(-3, 5) == 0)
    #expect(MemoryBudget.sum(1, 2, 3) == 6)
    #expect(MemoryBudget.sum(.max, 1) == .max)
  }

  @Test func whatNobodyHasIsRefusedBeforeItIsMade() throws {
    try MemoryBudget.require(0, for: "nothing")
    try MemoryBudget.require(2 << 20, for: "little")
    let error = #expect(throws: MemoryError.self) { try MemoryBudget.require(.max, for: "the lot") }
    #expect(error?.id == "E-MEMORY" && error?.exit == .resource)
    #expect(error?.message.hasPrefix("the lot would take more bytes than a number holds of memory; ") == true)
    // A pebibyte is more than any machine's memory, and less than an Int holds.
    #expect(throws: MemoryError.self) { try MemoryBudget.require(1 << 50, for: "a pebibyte") }
  }

  @Test func messagesSayWhatBindsAndWhatToDo() {
    let error = MemoryError(
      what: "a grid of 9x9 images", needed: 300, room: .init(bytes: 200, bound: .addressSpace))
    #expect(
      error.description == """
        error[E-MEMORY]: a grid of 9x9 images would take 300 bytes of memory; 200 are left under the limit on address space (ulimit -v)
        hint: raise the limit, or use a smaller batch, fewer threads or a smaller input
        """)
  }

  @Test func thereIsRoomNow() {
    let room = MemoryBudget.room()
    #expect(room.bytes > 64 << 20 && room.bytes < 1 << 50)
  }
}
