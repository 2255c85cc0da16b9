import Foundation
import TestSupport
import Testing
import Weft
import WeftFiles

@Suite struct YAMLReaderTests {
  func reader(_ text: String) throws -> YAMLReader {
    try YAMLDocument(text: text, file: "f.yaml").reader()
  }

  @Test func `typed values are read in any order`() throws {
    var reader = try reader("b: 25 GB/s\na: 4\nc: {d: [x, y], e: true}\nn: null\nr: 0.5\n")
    #expect(try reader.integer("a") == 4)
    #expect(try reader.value("b", Quantity.bandwidth) == .gigabytesPerSecond(25))
    var inner = try reader.mapping("c")
    #expect(try inner.strings("d") == ["x", "y"])
    #expect(try inner.optionalBool("e") == true)
    #expect(try inner.optionalBool("f") == nil)
    try inner.finish()
    #expect(try reader.optionalInteger("n") == nil)
    #expect(try reader.number("r", in: 0...1) == 0.5)
    try reader.finish()
  }

  @Test func `aliases of aliases are cut off before they fill memory`() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...12 {
      let alias = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(alias)]\n"
    }
    let error = #expect(throws: InputError.self) { try YAMLDocument(text: text, file: "f.yaml") }
    #expect(error?.problem == "the file has more values than Weft reads")
  }

  @Test func `JSON is YAML`() throws {
    var reader = try reader("{\"hidden_size\": 8192, \"rope_theta\": 5e5, \"x\": \"null\"}")
    #expect(try reader.integer("hidden_size") == 8192)
    #expect(try reader.number("rope_theta", in: 1...1e9) == 500_000)
    #expect(try reader.string("x") == "null")
  }

  @Test(arguments: [
    ("a: four", "f.yaml:1: error: a: 'four' is not a whole number\n  fix: write it like '4'"),
    (
      "\na: -4",
      "f.yaml:2: error: a: '-4' is out of range\n  fix: write a whole number of 1 or more"
    ),
    ("a: 4.5", "f.yaml:1: error: a: '4.5' is not a whole number\n  fix: write it like '4'"),
    ("a: 0", "f.yaml:1: error: a: '0' is out of range\n  fix: write a whole number of 1 or more"),
    ("b: 4", "f.yaml:1: error: the file lacks the key 'a'\n  fix: add 'a:'"),
    ("a:", "f.yaml:1: error: a: the value is empty\n  fix: write a value after 'a:'"),
    (
      "a: [4]",
      "f.yaml:1: error: a: this is a list, not a single value\n  fix: write 'a: value' on one line"
    ),
  ])
  func `a bad count names line, text and fix`(text: String, message: String) throws {
    var reader = try reader(text)
    let error = #expect(throws: InputError.self) { try reader.integer("a") }
    #expect(error?.description == message)
    #expect(error?.kind == .badContent)
  }

  @Test func `an unknown key is reported with the nearest known one`() throws {
    var reader = try reader("latency: 2 us\nbandwith: 3 GB/s\n")
    _ = try reader.optionalString("latency")
    _ = try reader.optionalString("bandwidth")
    let error = #expect(throws: InputError.self) { try reader.finish() }
    #expect(
      error?.description
        == "f.yaml:2: error: unknown key 'bandwith'\n  fix: did you mean 'bandwidth'?")
  }

  @Test func `an unknown key like none lists the known ones`() throws {
    var reader = try reader("m: {a: 1, zzzzzz: 2}\n")
    var inner = try reader.mapping("m")
    _ = try inner.integer("a")
    let error = #expect(throws: InputError.self) { try inner.finish() }
    #expect(error?.description == "f.yaml:1: error: unknown key 'm.zzzzzz'\n  fix: use one of: a")
  }

  @Test func `a name that is no choice lists the choices`() throws {
    var reader = try reader("kind: mash")
    let error = #expect(throws: InputError.self) {
      try reader.choice("kind", of: Node.ScaleUp.Kind.self)
    }
    #expect(
      error?.description
        == "f.yaml:1: error: kind: 'mash' is not known\n"
        + "  fix: did you mean 'mesh'? use one of: mesh, switch")
  }

  @Test(arguments: [
    ("a: {b: 1", 1), ("a:\n  b: 'x\n", 2), ("a: 1\n b: 2\n", 2), ("a: *x\n", 1), ("a: [1,\n", 1),
    ("\ta: 1", 1),
  ])
  func `a cut or broken file names the line`(text: String, line: Int) {
    let error = #expect(throws: InputError.self) { try YAMLDocument(text: text, file: "f.yaml") }
    #expect(error?.kind == .badContent)
    #expect(error?.place == "f.yaml:\(line)")
    #expect(error?.problem.hasPrefix("this is not valid YAML: ") == true)
  }

  @Test func `a key given twice is refused`() {
    let error = #expect(throws: InputError.self) {
      try YAMLDocument(text: "a: 1\nb: 2\na: 3\n", file: "f.yaml")
    }
    #expect(error?.problem == "the key 'a' is given twice")
    #expect(error?.kind == .badContent)
  }

  @Test(arguments: ["", "# nothing\n", "- a\n- b\n", "word\n"])
  func `a file that is no mapping is refused`(text: String) {
    let error = #expect(throws: InputError.self) { try reader(text) }
    #expect(error?.kind == .badContent)
  }

  @Test func `a missing file, a folder and no text are told apart`() throws {
    let folder = try TemporaryFolder()
    func failure(_ path: String) -> InputError? {
      #expect(throws: InputError.self) { try YAMLDocument(path: path) }
    }
    #expect(
      failure(folder.path + "/none.yaml")?.description
        == "\(folder.path)/none.yaml: error: there is no such file\n  fix: check the path")
    #expect(failure(folder.path)?.problem == "this is a directory, not a file")
    let binary = folder.path + "/binary"
    try Data([0xff, 0xfe, 0x00, 0xff]).write(to: URL(fileURLWithPath: binary))
    #expect(failure(binary)?.problem == "the file is not UTF-8 text")
    #expect(failure(binary)?.kind == .badContent)
  }
}
