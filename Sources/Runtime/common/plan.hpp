// A plan as both backends use it: the checked file, its connections, and where everything lies in a
// rank's memory. Nothing here knows an algorithm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "reference.hpp"
#include "weft_plan.h"

namespace weft {

/// Why a plan cannot be run; the runtime ends with exit code 65.
struct PlanError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Messages or flags from one lane to another with one tag: first in, first out.
///
/// The receiver's memory holds `head` (messages sent so far), `flags` (puts and signals so far) and
/// the slots; the sender's holds `credit` (messages taken so far). All are byte offsets.
struct Connection {
  int32_t source_rank = 0;
  int32_t source_lane = 0;
  int32_t rank = 0;
  int32_t lane = 0;
  int32_t tag = 0;
  uint64_t longest = 0;  // elements of the longest message
  uint64_t head = 0;
  uint64_t flags = 0;
  uint64_t credit = 0;
  uint64_t slots = 0;
  uint64_t slot_bytes = 0;
};

/// The connections of an operation, -1 for none.
struct Ends {
  int32_t from = -1;
  int32_t to = -1;
  /// For a wait that meets a put: the operation that it meets, or -1 for a signal. The index is that
  /// of the put in the sender's body of the same number.
  int64_t met = -1;
};

/// How a backend lays out memory.
struct Layout {
  /// The alignment of flags, so that no two share a cache line.
  uint64_t line = 64;
  /// Whether buffers in cells hold their flags, at 8 bytes per cell; else they are plain.
  bool flagged_cells = false;
  /// Stored bytes per payload byte in a slot; 2 for LL.
  uint64_t slot_expansion = 1;
};

class Program {
 public:
  /// Reads and checks a plan, matches its messages, and proves once more that no lane gets stuck.
  /// Throws PlanError.
  Program(const std::string& path, const Layout& layout);

  const weft_plan_header& header() const { return *view_.header; }
  const weft_plan_buffer& buffer(unsigned index) const { return view_.buffers[index]; }
  const weft_plan_kernel& kernel(unsigned index) const { return view_.kernels[index]; }
  const weft_plan_operation& operation(uint64_t index) const { return view_.operations[index]; }
  const Ends& ends(uint64_t index) const { return ends_[index]; }
  const weft_plan_run& run(uint32_t body, uint32_t rank, uint32_t lane) const {
    return *weft_plan_find_run(&view_, body, rank, lane);
  }
  uint32_t body(uint64_t call) const { return weft_plan_body(view_.header, call); }
  const std::vector<Connection>& connections() const { return connections_; }

  uint32_t element_bytes() const { return weft_plan_element_bytes(view_.header->type); }
  /// Elements that share a cell of a buffer with flags: as many as fit into 4 bytes, or one where an
  /// offset falls between.
  uint32_t cell_elements() const { return cell_elements_; }
  /// The offset of a buffer in a rank's memory.
  uint64_t buffer_offset(unsigned index) const { return buffer_offsets_[index]; }
  /// The length of a buffer in bytes as it is stored.
  uint64_t buffer_bytes(unsigned index) const;
  /// Where the counters begin and how long they are: zero before the first call.
  uint64_t control_offset() const { return control_offset_; }
  uint64_t control_bytes() const { return control_bytes_; }
  /// The memory that every rank needs.
  uint64_t memory_bytes() const { return memory_bytes_; }

  /// The index of the buffer that the caller fills, and of the one that it reads.
  unsigned input_buffer() const { return input_; }
  unsigned output_buffer() const { return output_; }
  bool in_place() const { return input_ == output_; }
  /// What decides about the caller's data of a rank.
  Shape shape(uint32_t rank) const {
    return {header().collective, header().type, header().ranks, rank, header().elements, in_place()};
  }

  /// The calls that show every body and every succession of bodies.
  uint64_t telling_calls() const { return header().bodies + header().period; }

 private:
  void connect();
  void lay_out(const Layout& layout);
  void rehearse();

  std::string path_;
  std::vector<uint64_t> bytes_;
  weft_plan_view view_{};
  std::vector<Connection> connections_;
  std::vector<Ends> ends_;
  std::vector<uint64_t> buffer_offsets_;
  uint32_t cell_elements_ = 1;
  uint64_t control_offset_ = 0;
  uint64_t control_bytes_ = 0;
  uint64_t memory_bytes_ = 0;
  unsigned input_ = 0;
  unsigned output_ = 0;
  Layout layout_;
};

}  // namespace weft
