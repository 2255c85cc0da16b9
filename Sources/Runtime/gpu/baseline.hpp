// Something else that computes what a plan computes, on the same buffers: what a measurement of the
// interpreter is compared with.
#pragma once

#include <memory>
#include <string>

#include "plan.hpp"
#include "ranks.hpp"
#include "session.hpp"

namespace weft::gpu {

/// The baseline of a name, which must outlive the work it makes. `nccl` is NCCL with its own choice;
/// `nccl:ring`, `nccl:tree/ll128` and the like force the algorithm and the protocol of its all-reduce.
/// `by-hand` is the plan's ring as a kernel written for it, to see what interpreting costs.
class Baseline {
 public:
  virtual ~Baseline() = default;
  /// The call that computes what a plan computes, on the memory of this process's rank.
  virtual std::unique_ptr<Work> work(const Program& program, const Settings& settings) = 0;

  /// Throws UsageError for an unknown name, DeviceError where the library is not built in or refuses.
  static std::unique_ptr<Baseline> named(const std::string& name, Ranks& ranks);
};

/// The hand-written ring. Throws PlanError if the plan is another algorithm.
std::unique_ptr<Baseline> ring_by_hand(Ranks& ranks);

}  // namespace weft::gpu
