import Foundation
import TestSupport
import Testing
import WeftFiles

@Suite struct DataDirectoryTests {
  func place(_ folder: TemporaryFolder, _ sub: String) throws -> String {
    let path = folder.path + "/" + sub
    try FileManager.default.createDirectory(
      atPath: path + "/topologies", withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: path + "/topologies/gpus.yaml"))
    return path
  }

  @Test func `the flag goes before the environment, and both before the executable`() throws {
    let folder = try TemporaryFolder()
    let (flag, variable) = (try place(folder, "flag"), try place(folder, "variable"))
    let program = try place(folder, "program")
    func find(_ option: String?, _ environment: [String: String]) throws -> String {
      try DataDirectory.find(
        option: option, environment: environment, executable: program + "/weft"
      ).path
    }
    #expect(try find(flag, ["WEFT_DATA": variable]) == flag)
    #expect(try find(nil, ["WEFT_DATA": variable]) == variable)
    #expect(try find(nil, [:]).hasSuffix("/program"))
  }

  @Test func `data lie in share beside bin, or in a folder above`() throws {
    let folder = try TemporaryFolder()
    _ = try place(folder, "installed/share/weft")
    _ = try place(folder, "tree")
    func find(_ executable: String) throws -> String {
      try DataDirectory.find(
        option: nil, environment: [:], executable: folder.path + "/" + executable
      ).path
    }
    #expect(try find("installed/bin/weft").hasSuffix("/installed/share/weft"))
    #expect(try find("tree/.build/debug/weft").hasSuffix("/tree"))
  }

  @Test func `a named folder without data is an error, not a fallback`() {
    let error = #expect(throws: InputError.self) {
      try DataDirectory.find(option: "/nowhere", environment: [:], executable: nil)
    }
    #expect(error?.kind == .missing)
    #expect(
      error?.description
        == "--data-dir /nowhere: error: there is no topologies/gpus.yaml in it\n"
        + "  fix: name the folder that holds 'topologies'")
  }
}
