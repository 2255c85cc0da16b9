import Foundation
import Testing

@testable import Weft

/// An independent implementation of NCCL 2.30.7's model, in Python, and a grid to compare on.
enum NCCLReference {
  /// The script, in `WEFT_SHARED` or in `shared` beside the package; nil if it is not there.
  static let folder: String? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let beside = package.deletingLastPathComponent().appendingPathComponent("shared").path
    let shared = ProcessInfo.processInfo.environment["WEFT_SHARED"] ?? beside
    let tools = shared + "/tools"
    let exists = FileManager.default.fileExists(atPath: tools + "/nccl_tuning_model.py")
    return exists ? tools : nil
  }()

  /// One communicator: its machine, and its graph as a search finds it.
  struct Configuration: Encodable {
    struct Pattern: Encodable {
      var intra: Double
      var inter: Double
      var intraPath: String
      var interPath: String
    }
    var nodes: Int
    var gpus: Int
    var searchChannels: Int
    var channels: Int
    var ring: Pattern
    var tree: Pattern
    var isPlain: Bool
    var nvls: Pattern?
    var capability: Int
    var vendor: String

    var ranks: Int { nodes * gpus }
  }

  /// What the script says of a configuration.
  struct Prediction: Decodable {
    struct Row: Decodable {
      var name: String
      var latency: Double
      var bandwidth: Double
      var times: [Double]
    }
    var rows: [Row]
    var choices: [String]
  }

  /// How the script deals a call.
  struct Work: Decodable {
    var nMaxChannels: Int
    var threads: Int
    var cellBytes: Int
    var channelsUsed: Int
    var bytesPerChannel: Int
  }

  /// Runs the script on JSON input and decodes what the driver prints.
  static func run<Input: Encodable, Output: Decodable>(
    _ driver: String, _ input: Input, as: Output.Type
  ) throws -> Output {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", driver]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PYTHONPATH": try #require(folder), "PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
    let (question, answer) = (Pipe(), Pipe())
    process.standardInput = question
    process.standardOutput = answer
    try process.run()
    let data = try JSONEncoder().encode(input)
    // The answer may fill its pipe before the question is read to the end, so both run at once.
    let writer = Thread {
      try? question.fileHandleForWriting.write(contentsOf: data)
      try? question.fileHandleForWriting.close()
    }
    writer.start()
    let output = try answer.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode(Output.self, from: output)
  }

  static let predictions = """
    import json, sys
    from nccl_tuning_model import G, model, time, choose
    question = json.load(sys.stdin)
    def graph(n, p, pattern): return G(n, p['intra'], p['inter'], p['intraPath'], p['interPath'], pattern)
    answer = []
    for c in question['configurations']:
      n, nodes, ranks = c['searchChannels'], c['nodes'], c['nodes'] * c['gpus']
      nvls = graph(n, c['nvls'], 5) if c.get('nvls') else None
      m = model(nodes, ranks, graph(n, c['ring'], 4), graph(n, c['tree'], 3 if c['isPlain'] else 1),
                nvls, c['capability'], c['vendor'], 'arm' if c['vendor'] == 'ARM' else 'x86')
      rows = [dict(name=a + '/' + p, latency=l, bandwidth=b,
                   times=[time(m, a, p, s, nodes, ranks, c['channels'], c['capability'])
                          for s in question['sizes']]) for (a, p), (l, b) in m.items()]
      choices = ['/'.join(choose(m, s, nodes, ranks, c['channels'], c['capability'])[0])
                 for s in question['sizes']]
      answer.append(dict(rows=rows, choices=choices))
    print(json.dumps(answer))
    """

  static let works = """
    import json, sys
    from nccl_tuning_model import plan
    print(json.dumps([plan(q['algorithm'], q['protocol'], q['bytes'], q['ranks'], 1, q['channels'])
                      for q in json.load(sys.stdin)]))
    """
}

// MARK: - The same in Weft

extension NCCLReference.Configuration {
  /// The tuner of this communicator.
  func tuner() throws -> NCCLTuner {
    let cpu: Node.CPU = vendor == "AMD" ? .amd : vendor == "Intel" ? .intel : .arm
    var topology = Machine.flat(gpus: gpus, nics: gpus)
    topology.gpu.computeCapability = capability
    topology.node.cpu = cpu
    let graph = NCCLGraph(
      searchChannels: searchChannels, channels: channels, ring: try ring.pattern(),
      tree: try tree.pattern(), treeShape: isPlain ? .plain : .balanced, nicPairing: .same,
      hasSameChannels: false,
      nvls: nvls.map {
        NCCLGraph.NVLS(heads: searchChannels, intra: $0.intra, inter: $0.inter, channels: 16)
      })
    return NCCLTuner(try Fabric(topology, nodes: nodes), graph: graph)
  }
}

extension NCCLReference.Configuration.Pattern {
  fileprivate func pattern() throws -> NCCLGraph.Pattern {
    func path(_ name: String) throws -> NCCLPath {
      try #require(NCCLPath.allCases.first { $0.name == name })
    }
    return NCCLGraph.Pattern(
      intra: intra, inter: inter, intraPath: try path(intraPath), interPath: try path(interPath))
  }
}

extension NCCLTuner.Candidate {
  /// The name as the script writes it, for example `NVLSTree/Simple`.
  var referenceName: String {
    let algorithm =
      switch algorithm {
      case .tree: "Tree"
      case .ring: "Ring"
      case .nvls: "NVLS"
      case .nvlsTree: "NVLSTree"
      case .pat: "PAT"
      }
    let protocolName =
      switch protocolName {
      case .ll: "LL"
      case .ll128: "LL128"
      case .simple: "Simple"
      }
    return "\(algorithm)/\(protocolName)"
  }
}
