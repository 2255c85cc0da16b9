#include "memory.hpp"

#include <algorithm>

namespace weft {

static_assert(std::atomic_ref<uint64_t>::is_always_lock_free, "counters are shared by processes");

Memory::Memory(uint64_t bytes, uint32_t ranks_per_node, const std::string& transport)
    : bytes_(bytes) {
  int rank = 0, ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm here = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here);
  const int group = transport == "rma" ? rank / static_cast<int>(ranks_per_node) : 0;
  MPI_Comm_split(here, group, rank, &host_);
  MPI_Comm_free(&here);
  MPI_Win_allocate_shared(
    static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, host_, &own_, &shared_);
  MPI_Win_lock_all(MPI_MODE_NOCHECK, shared_);

  direct_.assign(ranks, nullptr);
  MPI_Group all = MPI_GROUP_NULL, near = MPI_GROUP_NULL;
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  MPI_Comm_group(host_, &near);
  int neighbours = 0;
  MPI_Comm_size(host_, &neighbours);
  for (int i = 0; i < neighbours; i++) {
    int world = 0, unit = 0;
    MPI_Aint length = 0;
    MPI_Group_translate_ranks(near, 1, &i, all, &world);
    MPI_Win_shared_query(shared_, i, &length, &unit, &direct_[world]);
  }
  MPI_Group_free(&all);
  MPI_Group_free(&near);

  // One window over the same memory for those who are not neighbours of everybody.
  int is_split = neighbours < ranks;
  MPI_Allreduce(MPI_IN_PLACE, &is_split, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (is_split) {
    MPI_Win_create(
      own_, static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL, MPI_COMM_WORLD, &remote_);
    MPI_Win_lock_all(MPI_MODE_NOCHECK, remote_);
  }
}

Memory::~Memory() {
  if (remote_ != MPI_WIN_NULL) {
    MPI_Win_unlock_all(remote_);
    MPI_Win_free(&remote_);
  }
  MPI_Win_unlock_all(shared_);
  MPI_Win_free(&shared_);
  MPI_Comm_free(&host_);
}

void Memory::put(const void* data, uint64_t bytes, int rank, uint64_t offset) {
  const auto* from = static_cast<const std::byte*>(data);
  // MPI counts in int.
  constexpr uint64_t most = 1 << 30;
  for (uint64_t at = 0; at < bytes; at += most) {
    const int count = static_cast<int>(std::min(most, bytes - at));
    MPI_Put(
      from + at, count, MPI_BYTE, rank, static_cast<MPI_Aint>(offset + at), count, MPI_BYTE,
      remote_);
  }
  MPI_Win_flush(rank, remote_);
}

void Memory::publish(uint64_t value, int rank, uint64_t offset) {
  if (std::byte* base = direct_[rank]) {
    std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(base + offset))
      .store(value, std::memory_order_release);
    return;
  }
  // Accumulates are atomic for each element, puts are not. The data went before with a flush.
  MPI_Accumulate(
    &value, 1, MPI_UINT64_T, rank, static_cast<MPI_Aint>(offset), 1, MPI_UINT64_T, MPI_REPLACE,
    remote_);
  MPI_Win_flush(rank, remote_);
}

uint64_t Memory::observe(uint64_t offset) {
  if (remote_ != MPI_WIN_NULL) MPI_Win_sync(remote_);
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(own_ + offset))
    .load(std::memory_order_acquire);
}

void Memory::progress() {
  if (remote_ == MPI_WIN_NULL) return;
  int flag = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &flag, MPI_STATUS_IGNORE);
}

void Memory::fence() {
  MPI_Win_sync(shared_);
  if (remote_ != MPI_WIN_NULL) MPI_Win_sync(remote_);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Win_sync(shared_);
  if (remote_ != MPI_WIN_NULL) MPI_Win_sync(remote_);
}

}  // namespace weft
