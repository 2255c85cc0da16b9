#include "interpreter.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "elements.hpp"

namespace weft {

Interpreter::Interpreter(const Program& program, Memory& memory, int rank, double timeout)
    : program_(program),
      memory_(memory),
      rank_(rank),
      timeout_(timeout),
      width_(program.element_bytes()),
      lanes_(program.header().lanes),
      messages_(program.connections().size(), 0),
      flags_(program.connections().size(), 0),
      seen_(program.connections().size(), 0) {
  uint64_t longest = 0;
  for (const Connection& connection : program.connections())
    if (connection.source_rank == rank && memory.direct(connection.rank) == nullptr)
      longest = std::max(longest, connection.longest);
  staging_.resize(longest * width_);
}

void Interpreter::call() {
  const uint32_t body = program_.body(call_);
  for (uint32_t i = 0; i < lanes_.size(); i++)
    lanes_[i] = {&program_.run(body, static_cast<uint32_t>(rank_), i), 0, false};
  unsigned idle = 0;
  auto last_progress = std::chrono::steady_clock::now();
  while (true) {
    bool moved = false;
    size_t ended = 0, meeting = 0;
    for (Lane& lane : lanes_) {
      moved |= advance(lane);
      ended += lane.step == lane.run->count;
      meeting += lane.meets;
    }
    if (ended == lanes_.size()) break;
    if (meeting == lanes_.size()) {
      for (Lane& lane : lanes_) {
        lane.meets = false;
        lane.step++;
      }
      moved = true;
    }
    if (moved) {
      if (idle >= 64) last_progress = std::chrono::steady_clock::now();
      idle = 0;
      continue;
    }
    memory_.progress();
    if (idle == 0) last_progress = std::chrono::steady_clock::now();
    // A few looks for a peer that runs on another core, then the core is for whoever needs it.
    if (++idle > 32) sched_yield();
    if (idle % 1024 == 0) {
      const std::chrono::duration<double> idle_for =
        std::chrono::steady_clock::now() - last_progress;
      if (idle_for.count() > timeout_) give_up();
    }
  }
  call_++;
}

bool Interpreter::advance(Lane& lane) {
  bool moved = false;
  while (!lane.meets && lane.step < lane.run->count) {
    const uint64_t index = lane.run->first + lane.step;
    const uint8_t kind = program_.operation(index).kind;
    if (kind == WEFT_PLAN_BARRIER || kind == WEFT_PLAN_KERNEL) {
      lane.meets = true;
      return true;
    }
    if (!attempt(index)) return moved;
    lane.step++;
    moved = true;
  }
  return moved;
}

bool Interpreter::attempt(uint64_t index) {
  const weft_plan_operation& op = program_.operation(index);
  const Ends& ends = program_.ends(index);
  switch (op.kind) {
  case WEFT_PLAN_TRANSFER: return transfer(op, ends);
  case WEFT_PLAN_PUT:
    put(op, ends.to);
    raise(ends.to);
    return true;
  case WEFT_PLAN_SIGNAL: raise(ends.to); return true;
  default: {
    const Connection& from = program_.connections()[ends.from];
    // A connection between two lanes of a rank has both counters here, and the sender's is the
    // one that is published.
    uint64_t& waited = seen_[ends.from];
    if (memory_.observe(from.flags) <= waited) return false;
    waited++;
    return true;
  }
  }
}

bool Interpreter::transfer(const weft_plan_operation& op, const Ends& ends) {
  const std::vector<Connection>& connections = program_.connections();
  const uint32_t slots = program_.header().slots;
  const std::byte* message = nullptr;
  if (ends.from >= 0) {
    const Connection& from = connections[ends.from];
    const uint64_t taken = messages_[ends.from];
    if (memory_.observe(from.head) <= taken) return false;
    message = memory_.own() + from.slots + taken % slots * from.slot_bytes;
  }
  const Connection* to = nullptr;
  std::byte* outgoing = nullptr;
  uint64_t slot = 0;
  if (ends.to >= 0) {
    to = &connections[ends.to];
    const uint64_t sent = messages_[ends.to];
    if (sent - seen_[ends.to] >= slots) {
      seen_[ends.to] = memory_.observe(to->credit);
      if (sent - seen_[ends.to] >= slots) return false;
    }
    slot = to->slots + sent % slots * to->slot_bytes;
    std::byte* base = memory_.direct(to->rank);
    outgoing = base ? base + slot : staging_.data();
  }
  const size_t bytes = static_cast<size_t>(op.count) * width_;
  const bool reduces = op.actions & WEFT_PLAN_REDUCE;
  void* stored = op.actions & WEFT_PLAN_STORE
    ? place_at(memory_.own(), op.destination_buffer, op.destination_offset)
    : nullptr;
  if (bytes > 0 && (stored || outgoing)) {
    const void* source = place(op.source_buffer, op.source_offset);
    if (reduces) {
      const void* second = message ? message : place(op.addend_buffer, op.addend_offset);
      add(
        program_.header().type, source, second, stored ? stored : outgoing,
        stored ? outgoing : nullptr, static_cast<size_t>(op.count));
    } else {
      const void* data = message ? message : source;
      if (stored && stored != data) std::memcpy(stored, data, bytes);
      if (outgoing) std::memcpy(outgoing, data, bytes);
    }
  }
  if (to != nullptr) {
    if (outgoing == staging_.data() && bytes > 0) memory_.put(outgoing, bytes, to->rank, slot);
    memory_.publish(++messages_[ends.to], to->rank, to->head);
  }
  if (ends.from >= 0) {
    const Connection& from = connections[ends.from];
    memory_.publish(++messages_[ends.from], from.source_rank, from.credit);
  }
  return true;
}

void Interpreter::put(const weft_plan_operation& op, int connection) {
  const Connection& to = program_.connections()[connection];
  const size_t bytes = static_cast<size_t>(op.count) * width_;
  if (bytes == 0) return;
  const void* source = place(op.source_buffer, op.source_offset);
  if (std::byte* base = memory_.direct(to.rank)) {
    std::memcpy(place_at(base, op.destination_buffer, op.destination_offset), source, bytes);
  } else {
    memory_.put(
      source, bytes, to.rank,
      program_.buffer_offset(op.destination_buffer)
        + static_cast<uint64_t>(op.destination_offset) * width_);
  }
}

void Interpreter::raise(int connection) {
  const Connection& to = program_.connections()[connection];
  memory_.publish(++flags_[connection], to.rank, to.flags);
}

const void* Interpreter::place(uint8_t buffer, int64_t offset) const {
  return place_at(memory_.own(), buffer, offset);
}

void* Interpreter::place_at(std::byte* base, uint8_t buffer, int64_t offset) const {
  return base + program_.buffer_offset(buffer) + static_cast<uint64_t>(offset) * width_;
}

// MARK: - The watchdog

void Interpreter::give_up() const {
  std::string text = "rank " + std::to_string(rank_) + " made no progress for "
    + std::to_string(static_cast<int>(timeout_)) + " s in call " + std::to_string(call_);
  for (size_t i = 0; i < lanes_.size(); i++)
    if (lanes_[i].step < lanes_[i].run->count)
      text += "\n  lane " + std::to_string(i) + " step " + std::to_string(lanes_[i].step)
        + " waits for " + reason(lanes_[i]);
  throw Stuck(text);
}

std::string Interpreter::reason(const Lane& lane) const {
  if (lane.meets) return "the other lanes of the rank";
  const uint64_t index = lane.run->first + lane.step;
  const Ends& ends = program_.ends(index);
  const auto name = [](const char* what, uint64_t number, int rank, int lane, int tag) {
    return std::string(what) + " " + std::to_string(number) + " of rank " + std::to_string(rank)
      + " lane " + std::to_string(lane) + " tag " + std::to_string(tag);
  };
  if (ends.from >= 0) {
    const Connection& from = program_.connections()[ends.from];
    const auto say = [&](const char* what, uint64_t number) {
      return name(what, number, from.source_rank, from.source_lane, from.tag);
    };
    if (program_.operation(index).kind == WEFT_PLAN_WAIT) return say("flag", seen_[ends.from]);
    if (memory_.observe(from.head) <= messages_[ends.from])
      return say("message", messages_[ends.from]);
  }
  if (ends.to < 0) return "nothing";
  const Connection& to = program_.connections()[ends.to];
  return name("a slot for message", messages_[ends.to], to.rank, to.lane, to.tag);
}

}  // namespace weft
