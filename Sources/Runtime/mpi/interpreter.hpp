// Executes a plan on one rank: all its lanes in one thread, each as far as it gets.
#pragma once

#include <string>
#include <vector>

#include "memory.hpp"
#include "plan.hpp"

namespace weft {

/// A rank that made no progress for too long; the text says what every lane waits for.
struct Stuck : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Interpreter {
 public:
  /// The memory's counters are zero; `timeout` is in seconds.
  Interpreter(const Program& program, Memory& memory, int rank, double timeout);

  /// Does the next call of the series. Throws Stuck.
  void call();
  uint64_t calls() const { return call_; }

 private:
  struct Lane {
    const weft_plan_run* run = nullptr;
    uint64_t step = 0;
    bool meets = false;
  };

  bool advance(Lane& lane);
  bool attempt(uint64_t index);
  bool transfer(const weft_plan_operation& op, const Ends& ends);
  void put(const weft_plan_operation& op, int connection);
  void raise(int connection);
  const void* place(uint8_t buffer, int64_t offset) const;
  void* place_at(std::byte* base, uint8_t buffer, int64_t offset) const;
  [[noreturn]] void give_up() const;
  std::string reason(const Lane& lane) const;

  const Program& program_;
  Memory& memory_;
  int rank_;
  double timeout_;
  uint32_t width_;
  uint64_t call_ = 0;
  std::vector<Lane> lanes_;
  /// By connection: messages or flags that this rank sent, as their source, or took.
  std::vector<uint64_t> messages_;
  std::vector<uint64_t> flags_;
  /// By connection: the peer's counter as last seen.
  std::vector<uint64_t> seen_;
  std::vector<std::byte> staging_;
};

}  // namespace weft
