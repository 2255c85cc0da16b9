extension Profile.Key {
  /// The dimension of the parameters of kernels and engines; nil for all others.
  var kernelDimension: Profile.Dimension? {
    switch self {
    case .gemmBlend, .gemmWaves, .decodeAttentionCachedShare, .prefillAttentionShort,
      .fusedAllReduceEfficiency:
      .ratio
    case .decodeAttentionCache: .size
    case .decodeAttentionTile, .stepKernel, .stepCollective, .hostSequence, .fusedAllReduceBase:
      .duration
    default: nil
    }
  }
}
