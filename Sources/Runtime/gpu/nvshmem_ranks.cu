#include <nvshmem.h>
#include <nvshmemx.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "ranks.hpp"
#include "session.hpp"

namespace weft::gpu {
namespace {

// What launchers call the own rank and the number of ranks.
int from_environment(std::initializer_list<const char*> names, const char* what) {
  for (const char* name : names)
    if (const char* value = std::getenv(name)) return std::atoi(value);
  throw DeviceError(
    std::string("no launcher says ") + what + ": start it with mpirun, srun or --processes");
}

class NVSHMEM final : public Ranks {
 public:
  NVSHMEM(const std::string& bootstrap, const std::string& transport) {
    const int rank = from_environment(
      {"WEFT_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}, "the rank");
    const int ranks = from_environment(
      {"WEFT_RANKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"}, "how many ranks");
    const int local = from_environment(
      {"WEFT_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"},
      "the rank on the node");
    int devices = 0;
    check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
    if (devices == 0) throw DeviceError("there is no GPU");
    check(cudaSetDevice(local % devices), "cudaSetDevice");
    // Room for a plan of 256 MiB with its slots; memory is taken as it is needed.
    setenv("NVSHMEM_SYMMETRIC_SIZE", "8G", 0);
    nvshmemx_uniqueid_t id = NVSHMEMX_UNIQUEID_INITIALIZER;
    if (rank == 0) {
      require(nvshmemx_get_uniqueid(&id), "nvshmemx_get_uniqueid");
      publish(bootstrap, id);
    } else {
      await(bootstrap, id);
    }
    nvshmemx_init_attr_t attributes = NVSHMEMX_INIT_ATTR_INITIALIZER;
    require(
      nvshmemx_set_attr_uniqueid_args(rank, ranks, &id, &attributes),
      "nvshmemx_set_attr_uniqueid_args");
    require(nvshmemx_init_attr(NVSHMEMX_INIT_WITH_UNIQUEID, &attributes), "nvshmemx_init_attr");
    reaches_ = transport != "rma";
    numbers_ = static_cast<double*>(nvshmem_malloc(2 * sizeof(double)));
    shared_ = static_cast<uint8_t*>(nvshmem_malloc(2 * shared_bytes));
    if (rank == 0) std::remove(bootstrap.c_str());
  }

  ~NVSHMEM() override {
    if (memory_ != nullptr) nvshmem_free(memory_);
    nvshmem_free(numbers_);
    nvshmem_free(shared_);
    nvshmem_finalize();
  }

  int count() const override { return nvshmem_n_pes(); }
  int first() const override { return nvshmem_my_pe(); }

  void allocate(uint64_t bytes, int) override {
    if (memory_ != nullptr) nvshmem_free(memory_);
    memory_ = static_cast<uint8_t*>(nvshmem_align(256, bytes));
    if (memory_ == nullptr)
      throw DeviceError(
        "NVSHMEM has no " + std::to_string(bytes) + " bytes: set NVSHMEM_SYMMETRIC_SIZE");
    own_ = {memory_};
    all_.clear();
    for (int pe = 0; pe < nvshmem_n_pes(); pe++) {
      auto* reached = static_cast<uint8_t*>(nvshmem_ptr(memory_, pe));
      all_.push_back(pe == nvshmem_my_pe() ? memory_ : reaches_ ? reached : nullptr);
    }
  }
  const std::vector<uint8_t*>& own() const override { return own_; }
  const std::vector<uint8_t*>& all() const override { return all_; }
  bool reaches_all() const override {
    for (int pe = 0; pe < nvshmem_n_pes(); pe++)
      if (!reaches_ || nvshmem_ptr(numbers_, pe) == nullptr) return false;
    return true;
  }
  void share(void* data, size_t bytes) override {
    if (bytes > shared_bytes) throw DeviceError("more bytes to share than there is room for");
    check(cudaMemcpy(shared_, data, bytes, cudaMemcpyHostToDevice), "shared bytes");
    nvshmem_barrier_all();
    require(
      nvshmem_broadcastmem(NVSHMEM_TEAM_WORLD, shared_ + shared_bytes, shared_, bytes, 0),
      "nvshmem_broadcastmem");
    check(cudaMemcpy(data, shared_ + shared_bytes, bytes, cudaMemcpyDeviceToHost), "shared bytes");
  }
  void meet() override { nvshmem_barrier_all(); }

  double largest(double value) override {
    check(cudaMemcpy(numbers_, &value, sizeof value, cudaMemcpyHostToDevice), "number");
    nvshmem_barrier_all();
    nvshmem_double_max_reduce(NVSHMEM_TEAM_WORLD, numbers_ + 1, numbers_, 1);
    return taken();
  }
  double sum(double value) override {
    check(cudaMemcpy(numbers_, &value, sizeof value, cudaMemcpyHostToDevice), "number");
    nvshmem_barrier_all();
    nvshmem_double_sum_reduce(NVSHMEM_TEAM_WORLD, numbers_ + 1, numbers_, 1);
    return taken();
  }
  std::string name() const override { return "nvshmem"; }

 private:
  static void require(int status, const char* what) {
    if (status != 0)
      throw DeviceError(std::string(what) + " failed with status " + std::to_string(status));
  }

  double taken() {
    double value = 0;
    check(cudaMemcpy(&value, numbers_ + 1, sizeof value, cudaMemcpyDeviceToHost), "number");
    return value;
  }

  // The id appears by rename, so nobody reads half of it.
  static void publish(const std::string& path, const nvshmemx_uniqueid_t& id) {
    const std::string part = path + ".part";
    std::ofstream file(part, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&id), sizeof id);
    file.close();
    if (!file || std::rename(part.c_str(), path.c_str()) != 0)
      throw DeviceError("cannot write " + path + ", which all ranks have to see");
  }

  static void await(const std::string& path, nvshmemx_uniqueid_t& id) {
    for (int i = 0; i < 600; i++) {
      std::ifstream file(path, std::ios::binary);
      if (file.read(reinterpret_cast<char*>(&id), sizeof id)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    throw DeviceError(path + " did not appear: do all ranks see the same folder?");
  }

  static constexpr size_t shared_bytes = 256;

  bool reaches_ = true;
  uint8_t* shared_ = nullptr;
  uint8_t* memory_ = nullptr;
  double* numbers_ = nullptr;
  std::vector<uint8_t*> own_, all_;
};

}  // namespace

std::unique_ptr<Ranks> ranks_of_nvshmem(
  const std::string& bootstrap, const std::string& transport) {
  return std::make_unique<NVSHMEM>(bootstrap, transport);
}

}  // namespace weft::gpu
