/// The first 8 KiB of a file of the kernel's (/proc, /sys/fs/cgroup); nil where it cannot be read. Such files say a size of 0, and
/// reading them needs no memory beyond this.
package func kernelFile(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  return withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { buffer in
    let count = read(descriptor, buffer.baseAddress, buffer.count)
    return count >= 0 ? String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self) : nil
  }
}
