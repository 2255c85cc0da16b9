import CGSL

/// Points that fill the unit cube evenly.
enum Sample {
  /// Points of Sobol's low-discrepancy sequence, point after point.
  ///
  /// A seed other than zero shifts all points alike, around the cube (Cranley and Patterson 1976),
  /// so that several samples of the same axes are different.
  /// - Throws: ``DesignError`` for more dimensions than the sequence of GSL has.
  static func sobol(
    points: Int, dimensions: Int, seed: UInt64
  ) throws(DesignError) -> [Double] {
    let most = Int(weft_gsl_sobol().pointee.max_dimension)
    guard dimensions <= most, let generator = gsl_qrng_alloc(weft_gsl_sobol(), UInt32(dimensions))
    else {
      throw DesignError(
        problem: "Sobol's sequence has at most \(most) dimensions, not \(dimensions)",
        fix: "vary fewer things, or use latin-hypercube")
    }
    defer { gsl_qrng_free(generator) }
    var random = SplitMix(seed: seed)
    let shift = (0..<dimensions).map { _ in seed == 0 ? 0 : random.unit() }
    var places: [Double] = []
    places.reserveCapacity(points * dimensions)
    var point = [Double](repeating: 0, count: dimensions)
    for _ in 0..<points {
      gsl_qrng_get(generator, &point)
      for (place, offset) in zip(point, shift) {
        let moved = place + offset
        places.append(moved < 1 ? moved : moved - 1)
      }
    }
    return places
  }

  /// A Latin hypercube: each axis has one point in each of `points` strata
  /// (McKay, Beckman and Conover 1979).
  static func latinHypercube(points: Int, dimensions: Int, seed: UInt64) -> [Double] {
    var random = SplitMix(seed: seed)
    var places = [Double](repeating: 0, count: points * dimensions)
    for dimension in 0..<dimensions {
      let strata = (0..<points).shuffled(using: &random)
      for (point, stratum) in strata.enumerated() {
        places[point * dimensions + dimension] =
          (Double(stratum) + random.unit()) / Double(points)
      }
    }
    return places
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers for a seed on every machine.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number in 0..<1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
