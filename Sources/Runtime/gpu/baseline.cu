#include "baseline.hpp"

#include <cstdlib>

#include "options.hpp"

#ifdef WEFT_NCCL
#include <nccl.h>
#endif

namespace weft::gpu {

#ifdef WEFT_NCCL
namespace {

void require(ncclResult_t status, const char* what) {
  if (status != ncclSuccess)
    throw DeviceError(std::string(what) + ": " + ncclGetErrorString(status));
}

ncclDataType_t type_of(uint32_t type) {
  switch (type) {
  case WEFT_PLAN_FP16: return ncclFloat16;
  case WEFT_PLAN_BF16: return ncclBfloat16;
  case WEFT_PLAN_INT32: return ncclInt32;
  default: return ncclFloat32;
  }
}

class NCCLWork final : public Work {
 public:
  NCCLWork(const Program& program, uint8_t* memory, ncclComm_t communicator)
      : header_(program.header()), communicator_(communicator) {
    input_ = memory + program.buffer_offset(program.input_buffer());
    output_ = memory + program.buffer_offset(program.output_buffer());
    const Shape shape = program.shape(0);
    share_ = shape.share();
    if (header_.collective == WEFT_PLAN_ALL_TO_ALL)
      throw PlanError("NCCL's all-to-all is a group of sends, which the baseline does not time");
  }

  void reset() override {}

  void start(cudaStream_t stream, int calls, Form) override {
    for (int i = 0; i < calls; i++) call(stream);
  }

  std::string version() const override {
    int number = 0;
    require(ncclGetVersion(&number), "ncclGetVersion");
    return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "."
      + std::to_string(number % 100);
  }

  void finish(cudaStream_t stream) override {
    check(cudaStreamSynchronize(stream), "NCCL");
    ncclResult_t status = ncclSuccess;
    require(ncclCommGetAsyncError(communicator_, &status), "ncclCommGetAsyncError");
    require(status, "NCCL");
  }

 private:
  void call(cudaStream_t stream) {
    const ncclDataType_t type = type_of(header_.type);
    const size_t elements = header_.elements, bytes = weft_plan_element_bytes(header_.type);
    int rank = 0;
    require(ncclCommUserRank(communicator_, &rank), "ncclCommUserRank");
    const bool in_place = input_ == output_;
    switch (header_.collective) {
    case WEFT_PLAN_ALL_GATHER:
      require(
        ncclAllGather(
          in_place ? input_ + rank * share_ * bytes : input_, output_, share_, type, communicator_,
          stream),
        "ncclAllGather");
      break;
    case WEFT_PLAN_REDUCE_SCATTER:
      require(
        ncclReduceScatter(
          input_, in_place ? output_ + rank * share_ * bytes : output_, share_, type, ncclSum,
          communicator_, stream),
        "ncclReduceScatter");
      break;
    case WEFT_PLAN_BROADCAST:
      require(
        ncclBroadcast(input_, output_, elements, type, 0, communicator_, stream), "ncclBroadcast");
      break;
    case WEFT_PLAN_REDUCE_TO_ROOT:
      require(
        ncclReduce(input_, output_, elements, type, ncclSum, 0, communicator_, stream),
        "ncclReduce");
      break;
    default:
      require(
        ncclAllReduce(input_, output_, elements, type, ncclSum, communicator_, stream),
        "ncclAllReduce");
    }
  }

  const weft_plan_header& header_;
  ncclComm_t communicator_;
  uint8_t* input_;
  uint8_t* output_;
  uint64_t share_;
};

// A variable of the environment that has its old value again when this ends.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    had_ = old != nullptr;
    if (had_) old_ = old;
    if (!value.empty()) setenv(name, value.c_str(), 1);
  }
  ~Variable() { had_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string old_;
  bool had_;
};

class NCCL final : public Baseline {
 public:
  NCCL(const std::string& algorithm, const std::string& protocol, Ranks& ranks) : ranks_(ranks) {
    ncclUniqueId id;
    if (ranks.first() == 0) require(ncclGetUniqueId(&id), "ncclGetUniqueId");
    ranks.share(&id, sizeof id);
    // Read by NCCL when a communicator is made. Only sums over all ranks are forced, since trees
    // have nothing else.
    const Variable forced_algorithm(
      "NCCL_ALGO", algorithm.empty() ? "" : "allreduce:" + algorithm);
    const Variable forced_protocol("NCCL_PROTO", protocol.empty() ? "" : "allreduce:" + protocol);
    require(ncclCommInitRank(&communicator_, ranks.count(), id, ranks.first()), "ncclCommInitRank");
  }
  // Aborted and not destroyed, as a peer may be gone.
  ~NCCL() override { (void)ncclCommAbort(communicator_); }

  std::unique_ptr<Work> work(const Program& program, const Settings&) override {
    return std::make_unique<NCCLWork>(program, ranks_.own()[0], communicator_);
  }

 private:
  Ranks& ranks_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace
#endif

std::unique_ptr<Baseline> Baseline::named(const std::string& name, Ranks& ranks) {
  const auto bad = [&] {
    return UsageError(
      "baseline '" + name
      + "' is not by-hand, nccl, nccl:ring or nccl:tree, with /ll, /ll128 or /simple");
  };
  if (name == "by-hand") return ring_by_hand(ranks);
  if (name.rfind("nccl", 0) != 0) throw bad();
  std::string algorithm, protocol;
  if (name.size() > 4) {
    if (name[4] != ':') throw bad();
    algorithm = name.substr(5);
    if (const size_t slash = algorithm.find('/'); slash != std::string::npos) {
      protocol = algorithm.substr(slash + 1);
      algorithm.resize(slash);
    }
    if (algorithm != "ring" && algorithm != "tree") throw bad();
    if (!protocol.empty() && protocol != "ll" && protocol != "ll128" && protocol != "simple")
      throw bad();
  }
#ifdef WEFT_NCCL
  if (ranks.count() == 0) throw DeviceError("NCCL needs a GPU for each rank: use --backend nvshmem");
  return std::make_unique<NCCL>(algorithm, protocol, ranks);
#else
  (void)ranks;
  throw DeviceError("this runtime was built without NCCL: give CMake -DNCCL_HOME=...");
#endif
}

}  // namespace weft::gpu
