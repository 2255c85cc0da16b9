import Foundation
import TestSupport
import Testing
import WeftFiles
import WeftStudy

@testable import WeftCLI

@Suite struct ShippedStudyTests {
  private static let data = DataDirectory(
    path: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path)

  /// All but the list of headlines, which `weft predict --study` reads.
  private static let names = data.names(in: "topologies/studies").filter { $0 != "nvrar-paper" }

  @Test(arguments: names)
  func `a shipped study is sound in every value`(name: String) throws {
    let file = try StudyFile(path: try Self.data.studyPath(name))
    #expect(file.name == name)
    let study = try Study(file, data: Self.data)
    let documents = try study.check()
    #expect(documents.contains { $0.kind == "topology" })
    #expect(documents.contains { $0.kind == "profile" })
    #expect(try study.design().count > 10)
    _ = try DecisionMap(study)
  }

  @Test func `four studies ship`() {
    #expect(Self.names.count == 4)
  }
}
