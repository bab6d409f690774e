extension RandomAccessCollection {
  /// The first index whose element meets `condition`, found by halving; `endIndex` where none does.
  /// - Parameter condition: false for every element up to some point and true from there on.
  package func partitionPoint(where condition: (Element) -> Bool) -> Index {
    var (start, length) = (startIndex, count)
    while length > 0 {
      let half = length / 2
      let middle = index(start, offsetBy: half)
      if condition(self[middle]) {
        length = half
      } else {
        start = index(after: middle)
        length -= half + 1
      }
    }
    return start
  }
}
