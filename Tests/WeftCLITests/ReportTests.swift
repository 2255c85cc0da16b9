import Testing

@testable import WeftCLI

@Suite struct ReportTests {
  let report = Report([
    Record([
      "name": "ring", "size_bytes": 1024, "time_us": 334.57536, "fits": true, "reason": .null,
      "breakdown_us": .object(Record(["launch": 0.5, "latency": 1e-7])),
    ]),
    Record([
      "name": "a \"b\", c", "size_bytes": 8, "time_us": 12_345_678.5, "fits": false,
      "reason": "too big", "breakdown_us": .object(Record(["launch": 0, "latency": 2])),
    ]),
  ])

  @Test func `a table aligns texts to the left and numbers to the right`() {
    var report = report
    report.title = "two schedules"
    report.notes = ["the second is too big"]
    report.columns = ["name", "size_bytes", "time_us", "reason", "breakdown_us.latency"]
    #expect(
      report.table == """
        # two schedules
        name      size_bytes   time_us  reason   breakdown_us.latency
        ring            1024    334.58  -                   0.0000001
        a "b", c           8  12345678  too big                     2
        # the second is too big

        """)
  }

  @Test func `CSV quotes what must be quoted and keeps every digit`() {
    #expect(
      report.csv == """
        name,size_bytes,time_us,fits,reason,breakdown_us.launch,breakdown_us.latency
        ring,1024,334.57536,true,,0.5,1e-07
        "a ""b"", c",8,12345678.5,false,too big,0,2

        """)
  }

  @Test func `JSON sorts keys, writes null out and floats shortest`() throws {
    let small = Report(
      [Record(["b": 0.1, "a": .null, "c": .list([1, "x/y"])])], extra: Record(["overall": 2]),
      seed: 7)
    #expect(
      try small.json(command: "weft test") == """
        {
          "overall" : 2,
          "results" : [
            {
              "a" : null,
              "b" : 0.1,
              "c" : [
                1,
                "x/y"
              ]
            }
          ],
          "weft" : {
            "command" : "weft test",
            "seed" : 7,
            "version" : "0.1.0"
          }
        }

        """)
  }

  @Test func `a value that is not finite is never printed as JSON`() {
    #expect(throws: (any Error).self) {
      try Report([Record(["a": .number(.nan)])]).json(command: "")
    }
  }

  @Test func `a report without results has an empty list`() throws {
    #expect(try Report([]).json(command: "").contains("\"results\" : ["))
    #expect(Report([]).csv == "\n")
  }

  @Test func `fields keep their place when replaced`() {
    var record = Record(["a": 1, "b": 2])
    record["a"] = 3
    record["c"] = 4
    record["b"] = nil
    #expect(record.fields.map(\.name) == ["a", "c"])
    #expect(record["a"] == 3)
  }
}
