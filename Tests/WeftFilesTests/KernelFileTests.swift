import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct KernelFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `rows are products or calls of attention, bad ones are listed`() throws {
    let products = try folder.write(
      "gpu,dtype,m,n,k,time_us\na,bf16,1,512,1024,3.5\na,bf16,0,512,1024,3\na,bf16,1,2,3,nan\n",
      to: "g.csv")
    let file = try KernelFile(path: products)
    #expect(file.rows.map(\.kernel) == [.product(MatrixProduct(m: 1, n: 512, k: 1024))])
    #expect(file.rows[0].microseconds == 3.5 && file.unusable.map(\.line) == [3, 4])
    #expect(KernelFile.isKernelFile(products))

    let decodes = try folder.write(
      "batch,query_heads,kv_heads,head_dim,kv_length,time_us\n2,8,1,128,4096,12\n", to: "d.csv")
    guard case .decode(let form) = try KernelFile(path: decodes).rows[0].kernel else {
      Issue.record("This is no attention.")
      return
    }
    #expect(form.sequences == 2 && form.length == 4096 && form.isWarm)

    let prefills = try folder.write(
      "batch,query_heads,kv_heads,head_dim,sequence_length,time_us\n2,8,1,128,4096,12\n",
      to: "p.csv")
    #expect(KernelFile.isKernelFile(prefills))
    #expect(
      try KernelFile(path: prefills).rows.map(\.kernel) == [
        .prefill(
          PrefillAttention(sequences: 2, length: 4096, heads: 8, depth: 256), isGrouped: true)
      ])
  }

  @Test func `what is not of kernels is told apart or refused`() throws {
    let calls = try folder.write("size_bytes,time_us\n8,1\n", to: "c.csv")
    #expect(!KernelFile.isKernelFile(calls) && !KernelFile.isKernelFile("nowhere.csv"))
    let cut = try folder.write("m,n,time_us\n1,2,3\n", to: "cut.csv")
    let error = #expect(throws: InputError.self) { try KernelFile(path: cut) }
    #expect(
      error?.problem
        == "the file has times of matrix products, but the header lacks the column 'k'; it has "
        + "m,n,time_us")
    #expect(error?.place == cut + ":1" && error?.fix == "give the columns m,n,k,time_us")
    #expect(KernelFile.isKernelFile(cut))
    let empty = try folder.write("m,n,k,time_us\n", to: "empty.csv")
    #expect(throws: InputError.self) { try KernelFile(path: empty) }
  }

  @Test func `times of hours and cells too many are told by their lines`() throws {
    let path = try folder.write(
      "m,n,k,time_us\n1,512,512,1e10\n1,512,512,3,5\n1,512,512,3\n", to: "bad.csv")
    let file = try KernelFile(path: path)
    #expect(file.rows.map(\.line) == [4] && file.rows[0].file == path)
    #expect(
      file.unusable.map { "\($0.line) \($0.reason)" } == [
        "2 time_us '1e10' is not a time above zero and below 1e10 us",
        "3 the row has 5 cells, the header 4",
      ])
  }
}
