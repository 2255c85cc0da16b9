#include "ranks.hpp"
#include "session.hpp"

namespace weft::gpu {
namespace {

// Thread blocks stand for ranks: every schedule runs in CUDA on any machine with one GPU.
class OneGPU final : public Ranks {
 public:
  int count() const override { return 0; }
  int first() const override { return 0; }
  void allocate(uint64_t bytes, int ranks) override {
    allocations_.clear();
    memories_.clear();
    for (int i = 0; i < ranks; i++) {
      allocations_.emplace_back(bytes);
      memories_.push_back(allocations_.back().as<uint8_t>());
    }
  }
  const std::vector<uint8_t*>& own() const override { return memories_; }
  const std::vector<uint8_t*>& all() const override { return memories_; }
  bool reaches_all() const override { return true; }
  void share(void*, size_t) override {}
  void meet() override {}
  double largest(double value) override { return value; }
  double sum(double value) override { return value; }
  std::string name() const override { return "one-gpu"; }

 private:
  std::vector<Allocation> allocations_;
  std::vector<uint8_t*> memories_;
};

}  // namespace

std::unique_ptr<Ranks> ranks_of_one_gpu() { return std::make_unique<OneGPU>(); }

}  // namespace weft::gpu
