import Testing
import Weft
import WeftCalibration
import WeftFiles

@Suite struct KernelFitTests {
  private let gpu: GPU
  private let nominal: Profile

  init() throws {
    let data = try DataDirectory.find(option: nil)
    let topology = try data.topology("dgx-h100").topology
    gpu = topology.gpu
    nominal = try data.nominalProfile(for: topology)
  }

  /// Products of many shapes, timed by the form under a profile.
  private func products(under profile: Profile) -> [KernelFit.Observation<MatrixProduct>] {
    [1, 8, 32, 128, 256].flatMap { m in
      [1024, 4096, 8192].flatMap { n in
        [1024, 4096, 16384].map { k in
          let form = MatrixProduct(m: m, n: n, k: k)
          return .init(form: form, seconds: form.time(on: gpu, profile: profile).seconds)
        }
      }
    }
  }

  @Test func `the parameters of a form are found again`() throws {
    var truth = nominal
    truth[.gemmFloor] = .init(value: 5e-6, source: "a test")
    truth[.gemmMemoryEfficiency] = .init(value: 0.7, source: "a test")
    let observations = products(under: truth)
    let fit = try KernelFit(observations, gpu: gpu, nominal: nominal)
    #expect(abs((fit.profile[.gemmFloor]?.value ?? 0) / 5e-6 - 1) < 0.01)
    #expect(abs((fit.profile[.gemmMemoryEfficiency]?.value ?? 0) - 0.7) < 0.01)
    let errors = KernelFit.errors(observations, gpu: gpu, profile: fit.profile)
    #expect(errors.allSatisfy { abs($0) < 0.005 })
    #expect(fit.profile[.gemmFloor]?.standardError != nil)
  }

  @Test func `a limit of what a long k costs is found again`() throws {
    var truth = nominal
    truth[.gemmSerialMost] = .init(value: 4e-6, source: "a test")
    truth[.gemmSerialK] = .init(value: 2e-6, source: "a test")
    let shapes = [1, 8, 64].flatMap { m in
      [512, 1024, 4096].flatMap { n in
        [512, 1024, 2048, 8192, 65536].map { MatrixProduct(m: m, n: n, k: $0) }
      }
    }
    let fit = try KernelFit(
      shapes.map { .init(form: $0, seconds: $0.time(on: gpu, profile: truth).seconds) }, gpu: gpu,
      nominal: nominal)
    #expect(abs((fit.profile[.gemmSerialMost]?.value ?? 0) / 4e-6 - 1) < 0.02)
    #expect(abs((fit.profile[.gemmSerialK]?.value ?? 0) / 2e-6 - 1) < 0.05)
  }

  @Test func `keys that were asked for stay nominal`() throws {
    let fit = try KernelFit(
      products(under: nominal), gpu: gpu, nominal: nominal, held: ["gemm.floor"])
    #expect(!fit.keys.contains(.gemmFloor))
    #expect(fit.held.contains { $0.name == "gemm.floor" })
  }

  @Test(arguments: [0.1, 0.3, 4, 10]) func `a bad run takes no part`(factor: Double) throws {
    var observations = products(under: nominal)
    let sound = Array(observations[..<20] + observations[21...])
    observations[20].seconds *= factor
    let fit = try KernelFit(observations, gpu: gpu, nominal: nominal)
    #expect(fit.outliers == [20] && fit.missed.isEmpty)
    let without = try KernelFit(sound, gpu: gpu, nominal: nominal)
    #expect(without.outliers.isEmpty && fit.fit.values == without.fit.values)
    #expect(fit.fit.covariance == without.fit.covariance && fit.keys == without.keys)
  }

  @Test func `bad runs are one in eight at most`() throws {
    for (bad, places) in [(5, Array(10..<15)), (6, [])] {
      var observations = products(under: nominal)
      for place in 10..<10 + bad { observations[place].seconds *= 10 }
      let fit = try KernelFit(observations, gpu: gpu, nominal: nominal)
      #expect(fit.outliers == places && fit.missed.isEmpty == !places.isEmpty)
    }
  }

  @Test func `a ratio that would be above one is at its bound`() throws {
    var truth = nominal
    truth[.gemmMemoryEfficiency] = .init(value: 1.3, source: "a test")
    let fit = try KernelFit(products(under: truth), gpu: gpu, nominal: nominal)
    let bound = try #require(fit.atBounds.first { $0.key == .gemmMemoryEfficiency })
    #expect(bound.bound == 1)
    let within = try KernelFit(products(under: nominal), gpu: gpu, nominal: nominal)
    #expect(!within.atBounds.contains { $0.key == .gemmMemoryEfficiency })
  }

  @Test func `bad times and too few shapes are errors`() {
    let form = MatrixProduct(m: 1, n: 1024, k: 1024)
    #expect(throws: FitError.badTime(seconds: .infinity, sample: 0)) {
      try KernelFit([.init(form: form, seconds: .infinity)], gpu: gpu, nominal: nominal)
    }
    #expect(throws: FitError.self) {
      try KernelFit([.init(form: form, seconds: 1e-5)], gpu: gpu, nominal: nominal)
    }
  }
}
