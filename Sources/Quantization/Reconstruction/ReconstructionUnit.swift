import Execution
import Graphs

/// What reconstruction treats as one: a region's nodes outside the temporal block, with what stands between it and the
/// region before (the concatenation with a skip), so that units cover everything an image passes through.
package struct ReconstructionUnit: Sendable {
  package let name: String
  /// As its region's.
  package let definition: [Int]
  package let segment: GraphSegment
}

extension [ReconstructionUnit] {
  /// Positions in the order of the released codes (BRECQ, Q-Diffusion, TFMQ-DM), which walk the modules of their U-Net as
  /// they are defined: residual blocks of a level before its attention, and the levels of the way up from the highest
  /// resolution, which is executed last.
  var definitionOrder: [Int] {
    indices.sorted { self[$0].definition.lexicographicallyPrecedes(self[$1].definition) }
  }
}

extension Graph {
  /// In execution order. Nodes after the last region belong to it.
  package var reconstructionUnits: [ReconstructionUnit] {
    let ends = regions.filter { region in region.nodes.contains { !isTemporal[$0] } }
      .sorted { $0.nodes.lowerBound < $1.nodes.lowerBound }
    var units: [ReconstructionUnit] = []
    var start = 0
    for (position, region) in ends.enumerated() {
      let end = position == ends.count - 1 ? nodes.count : region.nodes.upperBound
      let own = (start..<end).filter { !isTemporal[$0] }
      start = end
      units.append(ReconstructionUnit(name: region.name, definition: region.definition, segment: segment(own)))
    }
    return units
  }

  /// Everything an image passes through as one unit.
  package var networkUnit: ReconstructionUnit {
    ReconstructionUnit(name: "network", definition: [], segment: segment(nodes.indices.filter { !isTemporal[$0] }))
  }

  /// The temporal block as a unit of its own: from timestep and label to every temporal result that an image meets.
  package var temporalUnit: ReconstructionUnit? {
    let own = nodes.indices.filter { isTemporal[$0] }
    let segment = segment(own)
    return segment.outputs.isEmpty
      ? nil : ReconstructionUnit(name: "temporal information block", definition: [], segment: segment)
  }
}
