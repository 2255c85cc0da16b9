#include "session.hpp"

#include <algorithm>
#include <unordered_map>

#include "interpreter.cuh"
#include "kernels.hpp"

namespace weft::gpu {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess)
    throw DeviceError(std::string(what) + ": " + cudaGetErrorString(status));
}

Allocation::Allocation(size_t bytes) {
  check(cudaMalloc(&data_, std::max<size_t>(bytes, 16)), "cudaMalloc");
}

Allocation::~Allocation() {
  // Nothing can be done about memory that cannot be freed.
  (void)cudaFree(data_);
}

namespace {

template <typename T>
Allocation uploaded(const std::vector<T>& items) {
  Allocation memory(items.size() * sizeof(T));
  check(
    cudaMemcpy(memory.as<void>(), items.data(), items.size() * sizeof(T), cudaMemcpyHostToDevice),
    "upload");
  return memory;
}

// The kernel for a plan: one of messages alone if nothing else is in it.
const void* kernel_for(const Program& program, Wire wire) {
  const uint32_t type = program.header().type;
  if (program.header().kernels > 1) return kernel_of<Kind::any>(type);
  for (uint64_t i = 0; i < program.header().operations; i++) {
    const weft_plan_operation& op = program.operation(i);
    if (op.kind != WEFT_PLAN_TRANSFER || !(op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND)))
      return kernel_of<Kind::any>(type);
  }
  return message_kernel(type, wire);
}

// Offsets in the memory of a rank, and whether a place is in cells.
struct Places {
  const Program& program;

  bool is_cells(uint8_t buffer) const {
    return program.buffer(buffer).storage == WEFT_PLAN_FLAGGED_CELLS;
  }
  uint64_t offset(uint8_t buffer, int64_t element) const {
    const uint64_t within = is_cells(buffer)
      ? static_cast<uint64_t>(element) / program.cell_elements() * 8
      : static_cast<uint64_t>(element) * program.element_bytes();
    return program.buffer_offset(buffer) + within;
  }
};

// Puts into cells are numbered, so that no two writes of a call leave the same flag.
std::unordered_map<uint64_t, uint32_t> numbered_puts(const Program& program) {
  std::unordered_map<uint64_t, uint32_t> numbers;
  for (uint32_t body = 0; body < program.header().bodies; body++) {
    uint32_t next = 1;
    for (uint32_t rank = 0; rank < program.header().ranks; rank++)
      for (uint32_t lane = 0; lane < program.header().lanes; lane++) {
        const weft_plan_run& run = program.run(body, rank, lane);
        for (uint64_t i = run.first; i < run.first + run.count; i++)
          if (program.operation(i).kind == WEFT_PLAN_PUT) numbers[i] = next++;
      }
  }
  return numbers;
}

// The kernels whose lanes may be shared by blocks: they fill the device, and a lane has at most one
// operation in them, within the rank, and after it signals, which the last block raises. With two, a
// block could begin the second before another has ended its part of the first.
std::vector<Share> shares(const Program& program) {
  const weft_plan_header& header = program.header();
  std::vector<Share> all(std::max(1u, header.kernels));
  for (uint32_t i = 0; i < header.kernels; i++) all[i].is_shared = program.kernel(i).fills_device;
  for (uint32_t body = 0; body < header.bodies; body++)
    for (uint32_t rank = 0; rank < header.ranks; rank++)
      for (uint32_t lane = 0; lane < header.lanes; lane++) {
        const weft_plan_run& run = program.run(body, rank, lane);
        uint32_t kernel = 0, operations = 0;
        for (uint64_t i = run.first; i < run.first + run.count; i++) {
          const weft_plan_operation& op = program.operation(i);
          Share& share = all[kernel];
          if (op.kind == WEFT_PLAN_KERNEL) {
            kernel = std::min(kernel + 1, header.kernels - 1);
            operations = 0;
            continue;
          }
          share.lanes = std::max(share.lanes, static_cast<int>(lane) + 1);
          if (op.kind == WEFT_PLAN_SIGNAL) continue;
          share.elements = std::max<uint64_t>(share.elements, op.count);
          if (
            ++operations > 1 || op.kind != WEFT_PLAN_TRANSFER
            || (op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND)))
            share.is_shared = false;
        }
      }
  // The first kernel of a call begins every lane's ports, and the last one ends the call.
  all.front().is_shared = all.back().is_shared = false;
  return all;
}

uint64_t staging_bytes(const Program& program, int32_t rank) {
  uint64_t bytes = 0;
  for (const Connection& connection : program.connections())
    if (connection.source_rank == rank) bytes += connection.slot_bytes * program.header().slots;
  return bytes;
}

}  // namespace

uint64_t memory_bytes(const Program& program) {
  uint64_t most = 0;
  for (uint32_t rank = 0; rank < program.header().ranks; rank++)
    most = std::max(most, staging_bytes(program, static_cast<int32_t>(rank)));
  return program.memory_bytes() + most;
}

Session::Session(
  const Program& program, int first_rank, const std::vector<uint8_t*>& own,
  const std::vector<uint8_t*>& bases, const Settings& settings)
    : program_(program), first_rank_(first_rank), own_(own), settings_(settings) {
  const weft_plan_header& header = program.header();
  launch_.first_rank = first_rank;
  launch_.ranks = static_cast<int>(own.size());
  launch_.lanes = static_cast<int>(header.lanes);
  launch_.kernels = std::max(1, static_cast<int>(header.kernels));
  launch_.bodies = static_cast<int>(header.bodies);
  launch_.period = static_cast<int>(header.period);
  launch_.slots = static_cast<int>(header.slots);
  // A lane without any has one that nothing uses, as operations name one.
  launch_.most_ports = 1;
  launch_.cell_elements = static_cast<int>(program.cell_elements());
  launch_.wire = settings.wire;
  launch_.timeout_ns = static_cast<uint64_t>(settings.timeout_seconds * 1e9);
  if (header.threads > 0) settings_.threads = static_cast<int>(header.threads);
  if (settings_.threads > most_threads)
    throw PlanError("it asks for more than " + std::to_string(most_threads) + " threads a block");
  void* mapped = nullptr;
  check(cudaHostAlloc(&mapped, 4096, cudaHostAllocMapped), "cudaHostAlloc");
  stop_ = static_cast<uint32_t*>(mapped);
  report_ = reinterpret_cast<Report*>(static_cast<char*>(mapped) + 256);
  launch_.stop = stop_;
  launch_.report = report_;
  build(bases);
  shares_ = shares(program);
  kernel_ = kernel_for(program, settings.wire);
  shared_kernel_ = kernel_of<Kind::any, true>(header.type);
  if (shared_bytes_ > 48 << 10)
    for (const void* kernel : {kernel_, shared_kernel_})
      check(
        cudaFuncSetAttribute(
          kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes_)),
        "shared memory of a lane's ports");
  int device = 0, per_processor = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(
    cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device), "device");
  check(
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      &per_processor, kernel_, settings_.threads, shared_bytes_), "occupancy");
  const long blocks = static_cast<long>(launch_.ranks) * launch_.lanes;
  // Blocks wait for each other, so all of them have to be on the device at once.
  if (blocks > static_cast<long>(per_processor) * processors_)
    throw PlanError(
      "the plan needs " + std::to_string(blocks) + " thread blocks at once, and the GPU holds "
      + std::to_string(static_cast<long>(per_processor) * processors_) + " of "
      + std::to_string(settings_.threads) + " threads");
}

Session::~Session() { (void)cudaFreeHost(stop_); }

void Session::build(const std::vector<uint8_t*>& bases) {
  const weft_plan_header& header = program_.header();
  const std::vector<Connection>& connections = program_.connections();
  const Places places{program_};
  const auto numbers = numbered_puts(program_);
  std::vector<Operation> operations;
  std::vector<Run> runs;
  // The ports of each local lane, and the number of each connection's among them.
  std::vector<std::vector<Port>> lane_ports;
  std::unordered_map<uint64_t, int32_t> port_numbers;
  const auto key = [&](int rank, int lane, size_t connection) {
    return (static_cast<uint64_t>(rank) * header.lanes + lane) << 32 | connection;
  };
  for (int rank = first_rank_; rank < first_rank_ + launch_.ranks; rank++) {
    uint64_t staging = program_.memory_bytes();
    for (int lane = 0; lane < launch_.lanes; lane++) {
      std::vector<Port>& ports = lane_ports.emplace_back();
      for (size_t i = 0; i < connections.size(); i++) {
        const Connection& connection = connections[i];
        const bool is_source = connection.source_rank == rank && connection.source_lane == lane;
        const bool is_end = connection.rank == rank && connection.lane == lane;
        if (!is_source && !is_end) continue;
        Port port{};
        port.peer = is_source ? connection.rank : connection.source_rank;
        port.base = bases[port.peer];
        port.head = connection.head;
        port.flags = connection.flags;
        port.credit = connection.credit;
        port.slots = connection.slots;
        port.slot_bytes = connection.slot_bytes;
        if (is_source && port.base == nullptr) {
          port.staging = staging;
          staging += connection.slot_bytes * header.slots;
        }
        port_numbers[key(rank, lane, i)] = static_cast<int32_t>(ports.size());
        ports.push_back(port);
      }
      launch_.most_ports = std::max(launch_.most_ports, static_cast<int>(ports.size()));
      if (ports.size() > INT16_MAX)
        throw PlanError("a lane has more connections than this backend can do");
    }
  }
  for (uint32_t body = 0; body < header.bodies; body++)
    for (int rank = first_rank_; rank < first_rank_ + launch_.ranks; rank++)
      for (int lane = 0; lane < launch_.lanes; lane++) {
        const weft_plan_run& run =
          program_.run(body, static_cast<uint32_t>(rank), static_cast<uint32_t>(lane));
        // The kernels of the lane: each ends where the next one is launched.
        const size_t first_run = runs.size();
        runs.push_back({operations.size(), 0});
        const auto port = [&](int32_t connection) {
          return static_cast<int16_t>(
            connection < 0 ? -1 : port_numbers.at(key(rank, lane, static_cast<size_t>(connection))));
        };
        const std::vector<Port>& ports_here = lane_ports[
          static_cast<size_t>(rank - first_rank_) * header.lanes + static_cast<size_t>(lane)];
        // By port: the messages so far in the call.
        std::unordered_map<int16_t, uint32_t> taken, sent;
        for (uint64_t i = run.first; i < run.first + run.count; i++) {
          const weft_plan_operation& op = program_.operation(i);
          const Ends& ends = program_.ends(i);
          if (op.kind == WEFT_PLAN_KERNEL) {
            runs.back().count = operations.size() - runs.back().first;
            runs.push_back({operations.size() + 1, 0});
          }
          Operation out{};
          out.kind = op.kind;
          out.actions = op.actions;
          out.from = port(ends.from);
          out.to = port(ends.to);
          out.count = static_cast<uint64_t>(op.count);
          uint8_t* const own = own_[static_cast<size_t>(rank - first_rank_)];
          const bool receives = op.actions & WEFT_PLAN_RECEIVE, sends = op.actions & WEFT_PLAN_SEND;
          if (receives) {
            const Port& from = ports_here[static_cast<size_t>(out.from)];
            out.taken_before = taken[out.from]++;
            out.taken_slots = own + from.slots;
            out.taken_slot_bytes = from.slot_bytes;
          }
          if (sends) {
            const Port& to = ports_here[static_cast<size_t>(out.to)];
            out.sent_before = sent[out.to]++;
            out.sent_slots = to.base != nullptr ? to.base + to.slots : own + to.staging;
            out.sent_slot_bytes = to.slot_bytes;
          }
          if (op.kind == WEFT_PLAN_TRANSFER || op.kind == WEFT_PLAN_PUT) {
            const bool is_put = op.kind == WEFT_PLAN_PUT, reduces = op.actions & WEFT_PLAN_REDUCE;
            const uint64_t destination =
              places.offset(op.destination_buffer, op.destination_offset);
            if (!receives || reduces)
              out.source = own + places.offset(op.source_buffer, op.source_offset);
            if (!receives && reduces)
              out.addend = own + places.offset(op.addend_buffer, op.addend_offset);
            if (is_put || op.actions & WEFT_PLAN_STORE) out.destination = own + destination;
            if (is_put && ports_here[static_cast<size_t>(out.to)].base != nullptr)
              out.sent_slots = ports_here[static_cast<size_t>(out.to)].base + destination;
            if (places.is_cells(op.source_buffer)) out.flags |= source_cells;
            if (places.is_cells(op.addend_buffer)) out.flags |= addend_cells;
            if (places.is_cells(op.destination_buffer)) out.flags |= destination_cells;
            const bool moves = op.actions & (WEFT_PLAN_RECEIVE | WEFT_PLAN_SEND);
            // Unused places are those of buffer 0, which has no cells.
            if (moves && out.flags)
              throw PlanError("a message from or to cells is more than this backend can do");
          }
          if (op.kind == WEFT_PLAN_PUT && (out.flags & destination_cells))
            out.cell_flag = numbers.at(i);
          if (op.kind == WEFT_PLAN_WAIT && ends.met >= 0) {
            const weft_plan_operation& met = program_.operation(static_cast<uint64_t>(ends.met));
            if (places.is_cells(met.destination_buffer)) {
              out.flags |= waits_cells;
              out.cell_flag = numbers.at(static_cast<uint64_t>(ends.met));
              out.source = own + places.offset(met.destination_buffer, met.destination_offset);
              out.count = static_cast<uint64_t>(met.count);
            }
          }
          // A wait just before the operation that reads what came is done by that one.
          if (i > run.first && op.kind == WEFT_PLAN_TRANSFER && (out.flags & source_cells)) {
            Operation& before = operations.back();
            if (
              before.kind == WEFT_PLAN_WAIT && (before.flags & waits_cells)
              && before.source == out.source && before.count == out.count && out.count > 0) {
              before.flags |= is_fused;
              out.flags |= polls_source;
              out.cell_flag = before.cell_flag;
              out.from = before.from;
            }
          }
          operations.push_back(out);
        }
        runs.back().count = operations.size() - runs.back().first;
        const auto kernels = static_cast<size_t>(launch_.kernels);
        if (runs.size() - first_run > kernels)
          throw PlanError("a lane launches more kernels than the plan has");
        // A lane that launches fewer has nothing to do in the others.
        while (runs.size() - first_run < kernels) runs.push_back({operations.size(), 0});
      }
  launch_.cell_stride = static_cast<uint32_t>(numbers.size()) + 1;
  shared_bytes_ = sizeof(Workbench)
    + static_cast<size_t>(launch_.most_ports) * (sizeof(PortState) + sizeof(Port));
  // Tables of one stride, so that a block finds its own without looking anything up.
  std::vector<Port> ports(lanes() * launch_.most_ports);
  std::vector<Operation> beginnings(lanes() * window_length);
  for (size_t lane = 0; lane < lanes(); lane++) {
    std::copy(
      lane_ports[lane].begin(), lane_ports[lane].end(),
      ports.begin() + static_cast<ptrdiff_t>(lane * launch_.most_ports));
    const Run& run = runs[lane * launch_.kernels];
    std::copy_n(
      operations.begin() + static_cast<ptrdiff_t>(run.first),
      std::min<uint64_t>(run.count, window_length),
      beginnings.begin() + static_cast<ptrdiff_t>(lane * window_length));
  }
  operations_ = uploaded(operations);
  runs_ = uploaded(runs);
  ports_ = uploaded(ports);
  beginnings_ = uploaded(beginnings);
  memories_ = uploaded(own_);
  states_ = Allocation(ports.size() * sizeof(PortState));
  counters_ = Allocation((2 * lanes() + launch_.ranks) * sizeof(uint64_t));
  launch_.operations = operations_.as<Operation>();
  launch_.runs = runs_.as<Run>();
  launch_.ports = ports_.as<Port>();
  launch_.beginnings = beginnings_.as<Operation>();
  launch_.memories = memories_.as<uint8_t*>();
  launch_.states = states_.as<PortState>();
  launch_.meetings = counters_.as<unsigned long long>();
  launch_.calls_begun = counters_.as<uint64_t>() + launch_.ranks;
  launch_.parts_done = counters_.as<unsigned long long>() + launch_.ranks + lanes();
}

void Session::reset() {
  const uint64_t staging = memory_bytes(program_);
  for (uint8_t* memory : own_) {
    check(cudaMemset(memory, 0xff, staging), "poison");
    // Flags of cells and lines: no number that a call leaves there.
    const uint64_t scratch = program_.control_offset();
    for (unsigned i = 0; i < program_.header().buffers; i++)
      if (program_.buffer(i).storage == WEFT_PLAN_FLAGGED_CELLS)
        check(cudaMemset(memory + program_.buffer_offset(i), 0, program_.buffer_bytes(i)), "cells");
    check(cudaMemset(memory + scratch, 0, program_.control_bytes()), "counters");
    if (settings_.wire != Wire::messages) {
      const uint64_t slots = scratch + program_.control_bytes();
      check(cudaMemset(memory + slots, 0, program_.memory_bytes() - slots), "slots");
    }
  }
  check(
    cudaMemset(states_.as<void>(), 0, lanes() * launch_.most_ports * sizeof(PortState)), "states");
  check(cudaMemset(counters_.as<void>(), 0, (2 * lanes() + launch_.ranks) * sizeof(uint64_t)), "counts");
  *stop_ = 0;
  report_->is_set = 0;
  check(cudaDeviceSynchronize(), "reset");
}

void Session::launch(cudaStream_t stream, int calls, int segment, bool counts) {
  Launch launch = launch_;
  launch.calls = calls;
  launch.segment = segment;
  launch.counts_calls = counts;
  launch.split = 1;
  const void* kernel = kernel_;
  int lanes = launch.lanes;
  if (segment >= 0 && shares_[segment].is_shared) {
    const Share& share = shares_[segment];
    kernel = shared_kernel_;
    lanes = std::max(1, share.lanes);
    // As many blocks as give every thread an element, or fill the device.
    const auto needed = (share.elements + settings_.threads - 1) / settings_.threads;
    const int most = std::max(1, processors_ / (launch.ranks * lanes));
    launch.split = static_cast<int>(std::clamp<uint64_t>(needed, 1, most));
  }
  void* arguments[] = {&launch};
  check(
    cudaLaunchKernel(
      kernel,
      dim3(
        static_cast<unsigned>(lanes), static_cast<unsigned>(launch.ranks),
        static_cast<unsigned>(launch.split)),
      dim3(static_cast<unsigned>(settings_.threads)), arguments, shared_bytes_, stream),
    "launch");
}

void Session::start(cudaStream_t stream, int calls, Form form) {
  if (form == Form::persistent) return launch(stream, calls, -1, true);
  for (int call = 0; call < calls; call++) {
    if (form == Form::fused) {
      launch(stream, 1, -1, true);
      continue;
    }
    for (int i = 0; i < launch_.kernels; i++)
      launch(stream, 1, i, i + 1 == launch_.kernels);
  }
}

void Session::finish(cudaStream_t stream) {
  check(cudaStreamSynchronize(stream), "the kernel");
  if (report_->is_set) throw DeviceError(told());
}

std::string Session::told() const {
  static const char* const names[] = {
    "message", "slot for a message", "flag", "cells with the flag", "other lanes' arrival"};
  const Report& report = *report_;
  return "rank " + std::to_string(report.rank) + " lane " + std::to_string(report.lane)
    + " made no progress for " + std::to_string(settings_.timeout_seconds) + " s in call "
    + std::to_string(report.call) + " step " + std::to_string(report.step) + ": it waits for "
    + names[report.what] + " " + std::to_string(report.wanted) + " of rank "
    + std::to_string(report.peer) + " and has seen " + std::to_string(report.seen);
}

}  // namespace weft::gpu
