// swift-tools-version: 6.2

import PackageDescription

/// The settings of every target of ours; dependencies keep their own.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "weft",
  products: [
    .library(name: "Weft", targets: ["Weft", "WeftFiles", "WeftCalibration", "WeftStudy"]),
    // The engine without SQLite, GSL and YAML, for those who bring their own input.
    .library(name: "WeftCore", targets: ["Weft"]),
    .executable(name: "weft", targets: ["WeftCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // Pure functions of values: no Foundation, no package. See docs/decisions.md for the arrows.
    .target(
      name: "Weft", dependencies: ["CPrefetch"], swiftSettings: settings + [.strictMemorySafety()]),
    .target(
      name: "WeftFiles",
      dependencies: ["Weft", "CWeftPlan", .product(name: "Yams", package: "Yams")],
      swiftSettings: settings),
    .target(name: "WeftCalibration", dependencies: ["Weft", "CGSL"], swiftSettings: settings),
    .target(
      name: "WeftStudy",
      dependencies: [
        "Weft", "CGSL", .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "WeftCLI",
      dependencies: [
        "Weft", "WeftFiles", "WeftCalibration", "WeftStudy",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    .systemLibrary(
      name: "CGSL", pkgConfig: "gsl", providers: [.apt(["libgsl-dev"]), .brew(["gsl"])]),
    .target(name: "CWeftPlan"),
    .target(name: "CPrefetch"),

    .target(
      name: "TestSupport", dependencies: ["Weft"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .testTarget(name: "WeftTests", dependencies: ["Weft", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "WeftFilesTests", dependencies: ["WeftFiles", "CWeftPlan", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "WeftCalibrationTests",
      dependencies: ["WeftCalibration", "WeftFiles", "CGSL", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "WeftStudyTests",
      dependencies: ["WeftStudy", "TestSupport", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),
    .testTarget(
      name: "WeftCLITests", dependencies: ["WeftCLI", "WeftFiles", "TestSupport"],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
