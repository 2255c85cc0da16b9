import Foundation
import TestSupport
import Testing
import Weft
import WeftFiles

/// MSCCL's files: real ones, written ones and corrupted ones.
@Suite struct MSCCLFileTests {
  private func verify(_ program: ChunkProgram, chunk: Int = 3) -> VerificationReport {
    let layout = Layout(nodes: 1, ranksPerNode: program.ranks)
    return Verifier.verify(
      ImportedSchedule(program, layout: layout, elements: program.chunks * chunk))
  }

  /// Three GPUs in a ring, in place.
  private static let ring: String = {
    var text =
      "<algo name=\"ring\" proto=\"Simple\" nchannels=\"1\" nchunksperloop=\"3\" ngpus=\"3\" "
      + "coll=\"allreduce\" inplace=\"1\" outofplace=\"0\" minBytes=\"0\" maxBytes=\"0\">\n"
    for gpu in 0..<3 {
      let (next, previous) = ((gpu + 1) % 3, (gpu + 2) % 3)
      text += "<gpu id=\"\(gpu)\" i_chunks=\"3\" o_chunks=\"0\" s_chunks=\"0\">\n"
      text += "<tb id=\"0\" send=\"\(next)\" recv=\"\(previous)\" chan=\"0\">\n"
      for (step, (type, chunk)) in [
        ("s", gpu), ("rrs", previous), ("rrcs", next), ("rcs", gpu), ("r", previous),
      ].enumerated() {
        text +=
          "<step s=\"\(step)\" type=\"\(type)\" srcbuf=\"i\" srcoff=\"\(chunk)\" dstbuf=\"i\" "
          + "dstoff=\"\(chunk)\" cnt=\"1\" depid=\"-1\" deps=\"-1\" hasdep=\"0\"/>\n"
      }
      text += "</tb>\n</gpu>\n"
    }
    return text + "</algo>\n"
  }()

  @Test func `a ring is read, proved, written and read again`() throws {
    let program = try MSCCLFile.parse(Self.ring, file: "ring.xml")
    #expect(program.ranks == 3 && program.chunks == 3 && program.channels == 1)
    #expect(program.collective == .allReduce && program.inPlace && program.maxBytes == nil)
    #expect(verify(program).isProved)
    let text = MSCCLFile.text(program)
    var again = try MSCCLFile.parse(text, file: "again.xml")
    #expect(MSCCLFile.text(again) == text)
    // No limit is written as one that no message reaches.
    #expect(again.maxBytes == 1 << 40)
    again.maxBytes = nil
    #expect(again == program)
  }

  @Test(arguments: ["reduce_scatter", "reducescatter"])
  func `both spellings of reduce-scatter are read`(name: String) throws {
    let text = Self.ring.replacingOccurrences(of: "allreduce", with: name)
    let program = try MSCCLFile.parse(text, file: "ring.xml")
    #expect(program.collective == .reduceScatter)
    // An all-reduce in place leaves every rank its part where a reduce-scatter wants it.
    #expect(verify(program).isProved)
    #expect(MSCCLFile.text(program).contains("coll=\"reduce_scatter\""))
  }

  // MARK: - Corrupted files

  private func error(_ text: String) -> InputError? {
    do {
      _ = try MSCCLFile.parse(text, file: "bad.xml")
      return nil
    } catch {
      return error
    }
  }

  private func ring(_ old: String, _ new: String) -> String {
    guard let range = Self.ring.range(of: old) else { return "nothing to replace" }
    return Self.ring.replacingCharacters(in: range, with: new)
  }

  @Test(arguments: [
    ("coll=\"allreduce\"", "coll=\"custom\"", 1, "coll=\"custom\" is no collective"),
    ("coll=\"allreduce\" ", "", 1, "no attribute 'coll'"),
    ("ngpus=\"3\"", "ngpus=\"4\"", 1, "there are 3 <gpu>"),
    ("nchunksperloop=\"3\"", "nchunksperloop=\"0\"", 1, "nchunksperloop=\"0\" is not"),
    ("proto=\"Simple\"", "proto=\"LL64\"", 1, "unknown protocol"),
    ("<gpu id=\"0\"", "<gpu id=\"5\"", 2, "another id than 0"),
    ("i_chunks=\"3\"", "i_chunks=\"2\"", 2, "i_chunks=\"2\" does not go with"),
    ("s_chunks=\"0\"", "s_chunks=\"many\"", 2, "s_chunks=\"many\" is not a whole number"),
    ("send=\"1\"", "send=\"0\"", 3, "is the GPU itself"),
    ("send=\"1\"", "send=\"3\"", 3, "send=\"3\" is not a whole number from -1 to 2"),
    ("send=\"1\"", "send=\"2\"", 3, "no thread block of GPU 2 receives on channel 0 from GPU 0"),
    ("send=\"1\"", "send=\"-1\"", 4, "with send=\"-1\""),
    ("chan=\"0\"", "chan=\"1\"", 3, "chan=\"1\" is not"),
    ("<tb id=\"0\"", "<tb id=\"1\"", 3, "another id than 0"),
    ("<step s=\"1\"", "<step s=\"2\"", 5, "another number s than 1"),
    ("type=\"rrs\"", "type=\"ra\"", 5, "type=\"ra\" is no step"),
    ("type=\"rrs\"", "type=\"rxs\"", 5, "use one of"),
    ("srcbuf=\"i\"", "srcbuf=\"q\"", 4, "srcbuf=\"q\" is no buffer"),
    ("srcoff=\"0\"", "srcoff=\"3\"", 4, "chunks 3 to 3 of buffer 'i', which has 3"),
    ("cnt=\"1\"", "cnt=\"72\"", 4, "cnt=\"72\" is not a whole number from 1 to 71"),
    ("cnt=\"1\" ", "", 4, "no attribute 'cnt'"),
    ("depid=\"-1\"", "depid=\"0\"", 4, "half a dependency"),
    ("depid=\"-1\" deps=\"-1\"", "depid=\"4\" deps=\"0\"", 4, "is no step of GPU 0"),
    ("depid=\"-1\" deps=\"-1\"", "depid=\"0\" deps=\"3\"", 4, "waits for itself or a later"),
    ("<step s=\"0\" type", "<op s=\"0\" type", 4, "<op> does not belong into <tb>"),
    ("type=\"s\"", "type=\"nop\"", 4, "a nop is not followed"),
  ])
  func `what is wrong is told with its line`(
    old: String, new: String, line: Int, problem: String
  ) {
    let error = error(ring(old, new))
    #expect(error?.kind == .badContent)
    #expect(error?.place == "bad.xml:\(line)", "\(error?.description ?? "accepted")")
    #expect(error?.description.contains(problem) == true, "\(error?.description ?? "accepted")")
    #expect(error?.fix?.isEmpty == false)
  }

  @Test func `a file cut off is refused where it ends`() {
    let lines = Self.ring.split(separator: "\n")
    let text = lines.prefix(7).joined(separator: "\n")
    let error = error(text)
    #expect(error?.place == "bad.xml:7", "\(error?.description ?? "accepted")")
    #expect(error?.problem.contains("<tb> of line 3 is not closed") == true)
    #expect(self.error("")?.kind == .badContent)
    let twice = self.error(Self.ring.replacing("<gpu id=\"0\"", with: "<gpu id=\"0\" id=\"0\""))
    #expect(twice?.place == "bad.xml:2", "\(twice?.description ?? "accepted")")
    #expect(self.error("not XML at all")?.kind == .badContent)
    #expect(self.error("<topology/>")?.problem.contains("<topology>") == true)
  }

  @Test(arguments: [
    // A changed offset, chunk count, order of steps, and a step too few.
    ("type=\"rrs\" srcbuf=\"i\" srcoff=\"2\"", "type=\"rrs\" srcbuf=\"i\" srcoff=\"1\""),
    ("dstoff=\"1\" cnt=\"1\"", "dstoff=\"1\" cnt=\"2\""),
    ("type=\"rrs\"", "type=\"rrcs\""), ("type=\"rrcs\"", "type=\"rrs\""),
    ("type=\"rcs\"", "type=\"r\""),
    (
      "<step s=\"4\" type=\"r\" srcbuf=\"i\" srcoff=\"2\" dstbuf=\"i\" dstoff=\"2\" cnt=\"1\" "
        + "depid=\"-1\" deps=\"-1\" hasdep=\"0\"/>\n", ""
    ),
  ])
  func `what is well formed and wrong is disproved`(old: String, new: String) throws {
    let text = ring(old, new)
    let program = try MSCCLFile.parse(text, file: "wrong.xml")
    // Storing a partial sum on the way is needless, not wrong.
    let isHarmless = new == "type=\"rrcs\""
    #expect(verify(program).isProved == isHarmless)
  }

  // MARK: - Files of MSCCL's tools

  /// The folder of files beside the package, or in `WEFT_SHARED`; nil if there is none.
  private static let folder: String? = {
    let package = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let shared =
      ProcessInfo.processInfo.environment["WEFT_SHARED"]
      ?? package.deletingLastPathComponent().appendingPathComponent("shared").path
    let folder = shared + "/data/msccl"
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
  }()

  private static let isPresent = folder != nil

  private func files() throws -> [(name: String, text: String)] {
    let folder = try #require(Self.folder)
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      .filter { $0.hasSuffix(".xml") }
      .map { ($0, try TextFile.read("\(folder)/\($0)")) }
  }

  @Test(.enabled(if: isPresent, "there is no ../shared/data/msccl"))
  func `files of MSCCL's tools are proved and round trip`() throws {
    let files = try files()
    #expect(!files.isEmpty)
    for (name, text) in files {
      let program = try MSCCLFile.parse(text, file: name)
      let report = verify(program)
      #expect(report.isProved, "\(name): \(report.findings.prefix(2))")
      let written = MSCCLFile.text(program)
      var again = try MSCCLFile.parse(written, file: name)
      again.maxBytes = program.maxBytes
      #expect(again == program, "\(name)")
    }
  }

  @Test(.enabled(if: isPresent, "there is no ../shared/data/msccl"))
  func `no file survives the loss of a step, a dependency or a chunk`() throws {
    var generator = SeededGenerator(seed: 7)
    for (name, text) in try files() {
      let program = try MSCCLFile.parse(text, file: name)
      for _ in 0..<12 {
        var changed = program
        let rank = Int.random(in: 0..<program.ranks, using: &generator)
        let block = Int.random(in: 0..<program.blocks[rank].count, using: &generator)
        let steps = program.blocks[rank][block].steps
        let step = Int.random(in: 0..<steps.count, using: &generator)
        if steps[step].kind == .nothing { continue }
        if let place = steps[step].source, steps[step].kind == .reduce {
          changed.blocks[rank][block].steps[step].source?.chunk = place.chunk == 0 ? 1 : 0
        } else {
          changed.blocks[rank][block].steps[step].count += 1
        }
        #expect(!verify(changed).isProved, "\(name) \(rank) \(block) \(step)")
        changed = program
        changed.blocks[rank][block].steps[step] = .init(.nothing, after: steps[step].after)
        #expect(!verify(changed).isProved, "\(name) \(rank) \(block) \(step) lost")
      }
    }
  }
}
