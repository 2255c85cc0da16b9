#include "plan.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <tuple>
#include <unordered_map>

namespace weft {
namespace {

struct Key {
  int32_t source_rank, source_lane, rank, lane, tag;
  bool operator==(const Key&) const = default;
};

struct KeyHash {
  size_t operator()(const Key& key) const {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (int32_t part : {key.source_rank, key.source_lane, key.rank, key.lane, key.tag})
      hash = (hash ^ static_cast<uint32_t>(part)) * 0x100000001b3ULL;
    return hash ^ hash >> 31;
  }
};

uint64_t aligned(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

bool sends(const weft_plan_operation& op) { return op.actions & WEFT_PLAN_SEND; }
bool receives(const weft_plan_operation& op) { return op.actions & WEFT_PLAN_RECEIVE; }

}  // namespace

Program::Program(const std::string& path, const Layout& layout) : path_(path), layout_(layout) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw PlanError(path + ": no such file");
  const auto size = static_cast<size_t>(file.tellg());
  // Words, so that records are aligned.
  bytes_.resize((size + 7) / 8);
  file.seekg(0);
  if (!file.read(reinterpret_cast<char*>(bytes_.data()), static_cast<std::streamsize>(size)))
    throw PlanError(path + ": it cannot be read");
  char problem[256] = "";
  if (weft_plan_open(bytes_.data(), size, &view_, problem, sizeof problem))
    throw PlanError(path + ": " + problem);
  for (unsigned i = 0; i < header().buffers; i++) {
    const uint32_t role = buffer(i).role;
    if (role == WEFT_PLAN_INPUT || role == WEFT_PLAN_IN_PLACE) input_ = i;
    if (role == WEFT_PLAN_OUTPUT || role == WEFT_PLAN_IN_PLACE) output_ = i;
  }
  connect();
  rehearse();
  lay_out(layout);
}

uint64_t Program::buffer_bytes(unsigned index) const {
  const weft_plan_buffer& record = buffer(index);
  if (record.storage == WEFT_PLAN_FLAGGED_CELLS && layout_.flagged_cells)
    return (record.elements + cell_elements_ - 1) / cell_elements_ * 8;
  return record.elements * element_bytes();
}

// Numbers the connections in the order of their first use.
void Program::connect() {
  std::unordered_map<Key, int32_t, KeyHash> numbers;
  ends_.resize(header().operations);
  const auto number = [&](const Key& key) {
    const auto [place, is_new] =
      numbers.try_emplace(key, static_cast<int32_t>(connections_.size()));
    if (is_new) {
      Connection connection;
      std::tie(
        connection.source_rank, connection.source_lane, connection.rank, connection.lane,
        connection.tag) = std::tie(key.source_rank, key.source_lane, key.rank, key.lane, key.tag);
      connections_.push_back(connection);
    }
    return place->second;
  };
  for (uint32_t body = 0; body < header().bodies; body++)
    for (int32_t rank = 0; rank < static_cast<int32_t>(header().ranks); rank++)
      for (int32_t lane = 0; lane < static_cast<int32_t>(header().lanes); lane++) {
        const weft_plan_run& part = run(body, rank, lane);
        for (uint64_t i = part.first; i < part.first + part.count; i++) {
          const weft_plan_operation& op = operation(i);
          if (receives(op) || op.kind == WEFT_PLAN_WAIT)
            ends_[i].from = number({op.from.peer, op.from.lane, rank, lane, op.from.tag});
          if (sends(op) || op.kind == WEFT_PLAN_PUT || op.kind == WEFT_PLAN_SIGNAL)
            ends_[i].to = number({rank, lane, op.to.peer, op.to.lane, op.to.tag});
          if (sends(op)) {
            Connection& to = connections_[ends_[i].to];
            to.longest = std::max(to.longest, static_cast<uint64_t>(op.count));
          }
        }
      }
}

void Program::lay_out(const Layout& layout) {
  // Cells are shared only if no operation begins between two elements of one.
  cell_elements_ = 4 / element_bytes();
  const auto needs_single = [&](uint8_t index, int64_t offset, int64_t count) {
    const weft_plan_buffer& record = buffer(index);
    if (record.storage != WEFT_PLAN_FLAGGED_CELLS || cell_elements_ == 1) return;
    // An odd end is fine where nothing follows, which only the next offset would show.
    (void)count;
    if (offset % cell_elements_) cell_elements_ = 1;
  };
  for (uint64_t i = 0; i < header().operations; i++) {
    const weft_plan_operation& op = operation(i);
    if (op.kind != WEFT_PLAN_TRANSFER && op.kind != WEFT_PLAN_PUT) continue;
    needs_single(op.source_buffer, op.source_offset, op.count);
    needs_single(op.addend_buffer, op.addend_offset, op.count);
    needs_single(op.destination_buffer, op.destination_offset, op.count);
  }
  uint64_t at = 0;
  for (unsigned i = 0; i < header().buffers; i++) {
    buffer_offsets_.push_back(at);
    at = aligned(at + buffer_bytes(i), 256);
  }
  control_offset_ = at;
  std::vector<uint64_t> next(header().ranks, at);
  for (Connection& connection : connections_) {
    for (uint64_t* counter : {&connection.head, &connection.flags}) {
      *counter = next[connection.rank];
      next[connection.rank] += layout.line;
    }
    connection.credit = next[connection.source_rank];
    next[connection.source_rank] += layout.line;
  }
  const uint64_t slots = aligned(*std::max_element(next.begin(), next.end()), 256);
  control_bytes_ = slots - control_offset_;
  std::fill(next.begin(), next.end(), slots);
  for (Connection& connection : connections_) {
    if (connection.longest == 0) continue;
    connection.slots = next[connection.rank];
    connection.slot_bytes =
      aligned(connection.longest * element_bytes() * layout.slot_expansion, 256);
    next[connection.rank] += connection.slot_bytes * header().slots;
  }
  memory_bytes_ = *std::max_element(next.begin(), next.end());
}

// Runs the plan on tokens: a file with a right checksum may still come from somebody who did not
// prove it, and a plan that gets stuck is better refused than interrupted.
void Program::rehearse() {
  struct Queue {
    std::vector<int64_t> messages, flags;
    std::vector<uint64_t> flag_calls;
    size_t taken = 0, waited = 0;
  };
  struct Lane {
    uint64_t call = 0, step = 0;
    bool meets = false, is_done = false;
  };
  const uint32_t lanes_per_rank = header().lanes;
  const size_t count = static_cast<size_t>(header().ranks) * lanes_per_rank;
  std::vector<Queue> queues(connections_.size());
  std::vector<Lane> lanes(count);
  const uint64_t calls = telling_calls() + 1;
  const auto fail = [&](size_t lane, const std::string& what) -> PlanError {
    return PlanError(
      path_ + ": rank " + std::to_string(lane / lanes_per_rank) + " lane "
      + std::to_string(lane % lanes_per_rank) + " call " + std::to_string(lanes[lane].call)
      + " step " + std::to_string(lanes[lane].step) + ": " + what);
  };
  // Returns whether the lane has done its operation.
  const auto attempt = [&](size_t lane, uint64_t index, uint32_t body) {
    const weft_plan_operation& op = operation(index);
    Ends& ends = ends_[index];
    switch (op.kind) {
    case WEFT_PLAN_TRANSFER:
      if (receives(op)) {
        Queue& queue = queues[ends.from];
        if (queue.taken == queue.messages.size()) return false;
        if (queue.messages[queue.taken] != op.count)
          throw fail(lane, "it receives a message of another length");
      }
      if (sends(op)) {
        Queue& queue = queues[ends.to];
        if (queue.messages.size() - queue.taken >= header().slots) return false;
        queue.messages.push_back(op.count);
      }
      if (receives(op)) queues[ends.from].taken++;
      return true;
    case WEFT_PLAN_PUT:
    case WEFT_PLAN_SIGNAL:
      queues[ends.to].flags.push_back(
        op.kind == WEFT_PLAN_PUT ? static_cast<int64_t>(index) : -1);
      queues[ends.to].flag_calls.push_back(lanes[lane].call);
      return true;
    case WEFT_PLAN_WAIT: {
      Queue& queue = queues[ends.from];
      if (queue.waited == queue.flags.size()) return false;
      const uint64_t raised = queue.flag_calls[queue.waited];
      const int64_t met = queue.flags[queue.waited++];
      if (met >= 0 && raised != lanes[lane].call)
        throw fail(lane, "it waits for a put of another call");
      const bool is_first = lanes[lane].call == body && ends.met == -1;
      if (!is_first && ends.met != met)
        throw fail(lane, "it waits for a put that is another one in a later call");
      ends.met = met;
      return true;
    }
    default: return true;
    }
  };
  size_t left = count;
  for (bool moved = true; moved && left > 0;) {
    moved = false;
    for (size_t rank = 0; rank < header().ranks; rank++) {
      size_t meeting = 0, ended = 0;
      for (size_t lane = rank * lanes_per_rank; lane < (rank + 1) * lanes_per_rank; lane++) {
        Lane& state = lanes[lane];
        if (state.is_done) continue;
        const uint32_t body = this->body(state.call);
        const weft_plan_run& part =
          run(body, static_cast<uint32_t>(rank), static_cast<uint32_t>(lane % lanes_per_rank));
        while (state.step < part.count) {
          const uint64_t index = part.first + state.step;
          const uint8_t kind = operation(index).kind;
          if (kind == WEFT_PLAN_BARRIER || kind == WEFT_PLAN_KERNEL) {
            meeting++;
            break;
          }
          if (!attempt(lane, index, body)) break;
          state.step++;
          moved = true;
        }
        if (state.step == part.count) ended++;
      }
      if (meeting != lanes_per_rank && ended != lanes_per_rank) continue;
      moved = true;
      for (size_t lane = rank * lanes_per_rank; lane < (rank + 1) * lanes_per_rank; lane++) {
        Lane& state = lanes[lane];
        if (meeting) {
          state.step++;
        } else {
          state.step = 0;
          state.is_done = ++state.call == calls;
          if (state.is_done) left--;
        }
      }
    }
  }
  for (size_t lane = 0; left > 0 && lane < count; lane++)
    if (!lanes[lane].is_done) throw fail(lane, "it waits for ever");
  for (size_t i = 0; i < queues.size(); i++)
    if (queues[i].taken != queues[i].messages.size())
      throw PlanError(
        path_ + ": a message from rank " + std::to_string(connections_[i].source_rank)
        + " to rank " + std::to_string(connections_[i].rank) + " is never received");
}

}  // namespace weft
