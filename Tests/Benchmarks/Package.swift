// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nothing is built for it unless asked. EventQueue is internal to
// Weft, hence the flag for the import: swift run --package-path Tests/Benchmarks -c release
// -Xswiftc -enable-testing weft-bench
let package = Package(
  name: "benchmarks",
  // Named, since the folder of a checkout may be called anything.
  dependencies: [.package(name: "weft", path: "../..")],
  targets: [
    .target(name: "CountMalloc"),
    .executableTarget(
      name: "weft-bench",
      dependencies: ["CountMalloc", .product(name: "WeftCore", package: "weft")],
      swiftSettings: [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
        .strictMemorySafety(),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
