// How the data of one transfer travel: in messages, in lines of 16 bytes and in wide lines of 128.
//
// What a transfer does (receive, reduce, store, send) is a template argument, so that the inner loops
// hold nothing that is decided once per operation.
#pragma once

#include "arithmetic.cuh"
#include "device.cuh"
#include "memory.cuh"
#include "weft_plan.h"

namespace weft::gpu {

/// Whoever waits: looks at the clock now and then, and says what it waits for before it gives up.
/// A block has one, in shared memory, so that functions that are not inlined take no registers for it.
struct alignas(16) Watch {
  const Launch* launch;
  const Port* ports;
  int rank;
  int lane;
  uint64_t call;
  /// The operations before the fetched ones, and how many of those are done.
  uint64_t window;
  int place;

  /// Whether to go on looking.
  __device__ __forceinline__ bool patient(uint32_t& looks, uint64_t& start) const {
    if (++looks & 1023) return true;
    const uint64_t now = now_ns();
    if (start == 0) start = now;
    return *launch->stop == 0 && now - start < launch->timeout_ns;
  }

  __device__ __noinline__ void give_up(uint32_t what, int peer, uint64_t wanted, uint64_t seen) const {
    if (atomicExch_system(const_cast<uint32_t*>(launch->stop), 1u) != 0) return;
    Report& report = *launch->report;
    report.rank = rank;
    report.lane = lane;
    report.peer = peer;
    report.call = call;
    report.step = window + place;
    report.wanted = wanted;
    report.seen = seen;
    report.what = what;
    __threadfence_system();
    report.is_set = 1;
  }
};

/// The places of one transfer; those that its actions do not need are null.
struct Move {
  const uint8_t* source;
  const uint8_t* addend;
  uint8_t* stored;
  /// The message in the own slot, and the slot of the peer.
  const uint8_t* incoming;
  uint8_t* outgoing;
  uint64_t bytes;
  /// The messages taken and sent on its ports before it.
  uint64_t taken;
  uint64_t sent;
  /// The port that it takes from.
  int port;

  /// The flags of lines.
  __device__ uint32_t flag_in() const { return static_cast<uint32_t>(taken + 1); }
  __device__ uint32_t flag_out() const { return static_cast<uint32_t>(sent + 1); }
};

/// The actions of a transfer, known when it is compiled.
template <int bits>
struct Actions {
  static constexpr bool receives = bits & WEFT_PLAN_RECEIVE;
  static constexpr bool reduces = bits & WEFT_PLAN_REDUCE;
  static constexpr bool stores = bits & WEFT_PLAN_STORE;
  static constexpr bool sends = bits & WEFT_PLAN_SEND;
  /// What is read of the rank's own buffers.
  static constexpr bool reads_source = !receives || reduces;
  static constexpr bool reads_addend = !receives && reduces;
};

/// The same known when it runs: for paths that are rare, which then need one copy and not thirteen.
struct AnyActions {
  bool receives, reduces, stores, sends, reads_source, reads_addend;
  __device__ explicit AnyActions(int bits)
      : receives(bits & WEFT_PLAN_RECEIVE), reduces(bits & WEFT_PLAN_REDUCE),
        stores(bits & WEFT_PLAN_STORE), sends(bits & WEFT_PLAN_SEND),
        reads_source(!receives || reduces), reads_addend(!receives && reduces) {}
};

// MARK: - Messages

template <typename T, typename Word, typename Do>
__device__ __forceinline__ void move_words(
  const Do& act, const Move& move, uint64_t begin, uint64_t end, int part, int parts) {
  const auto* a =
    reinterpret_cast<const Word*>(act.receives ? move.incoming : move.source);
  const auto* b =
    reinterpret_cast<const Word*>(act.reads_addend ? move.addend : move.source);
  auto* kept = reinterpret_cast<Word*>(move.stored);
  auto* out = reinterpret_cast<Word*>(move.outgoing);
  const uint64_t stride = static_cast<uint64_t>(blockDim.x) * parts;
  uint64_t i = begin + static_cast<uint64_t>(part) * blockDim.x + threadIdx.x;
  // Four words of a thread are on their way at a time.
  constexpr int unroll = 4;
  for (; i + (unroll - 1) * stride < end; i += unroll * stride) {
    Word value[unroll], other[unroll];
#pragma unroll
    for (int k = 0; k < unroll; k++) value[k] = load(a + i + k * stride);
    if (act.reduces) {
#pragma unroll
      for (int k = 0; k < unroll; k++) other[k] = load(b + i + k * stride);
#pragma unroll
      for (int k = 0; k < unroll; k++) value[k] = add<T>(value[k], other[k]);
    }
#pragma unroll
    for (int k = 0; k < unroll; k++) {
      if (act.sends) out[i + k * stride] = value[k];
      if (act.stores) kept[i + k * stride] = value[k];
    }
  }
  for (; i < end; i += stride) {
    Word value = load(a + i);
    if (act.reduces) value = add<T>(value, load(b + i));
    if (act.sends) out[i] = value;
    if (act.stores) kept[i] = value;
  }
}

/// What 16-byte accesses leave over. Not inlined, as the other rare paths of this file are not: their
/// registers would be taken from the common ones.
template <typename T>
__device__ __noinline__ void move_narrow(
  int bits, Move move, bool in_words, uint64_t done, int part, int parts) {
  const AnyActions act(bits);
  if (in_words || T::bytes == 4) {
    move_words<T, uint32_t>(act, move, done / 4, move.bytes / 4, part, parts);
    done = move.bytes / 4 * 4;
  }
  if constexpr (T::bytes == 2)
    move_words<T, uint16_t>(act, move, done / 2, move.bytes / 2, part, parts);
}

/// Moves a message by as wide accesses as all addresses allow; `parts` blocks may share it.
template <typename T, int bits>
__device__ __forceinline__ void move_message(const Move& move, int part, int parts) {
  const auto low = reinterpret_cast<uintptr_t>(move.source)
    | reinterpret_cast<uintptr_t>(move.addend) | reinterpret_cast<uintptr_t>(move.stored)
    | reinterpret_cast<uintptr_t>(move.incoming) | reinterpret_cast<uintptr_t>(move.outgoing);
  uint64_t done = 0;
  if ((low & 15) == 0) {
    move_words<T, uint4>(Actions<bits>(), move, 0, move.bytes / 16, part, parts);
    done = move.bytes / 16 * 16;
  }
  if (done < move.bytes) move_narrow<T>(bits, move, (low & 3) == 0, done, part, parts);
}

// MARK: - Lines

/// Waits for a line that was not there at the first look. Not inlined: the code of waiting would be
/// there once for every line of every loop, and instructions have to be fetched too.
__device__ __noinline__ inline uint4 wait_for_line(
  const Watch& watch, const uint4* place, uint32_t flag, int port) {
  uint32_t looks = 0;
  uint64_t start = 0;
  while (true) {
    const uint4 line = load_line(place);
    if (line.y == flag && line.w == flag) return line;
    if (watch.patient(looks, start)) continue;
    watch.give_up(0, watch.ports[port].peer, flag, line.y);
    return {0, flag - 1, 0, 0};
  }
}

/// A line of 16 bytes once it is there; `line` is a first look at it.
__device__ inline uint2 poll_line(
  const Watch& watch, const uint4* place, uint4 line, uint32_t flag, int port, int& is_over) {
  if (line.y != flag || line.w != flag) {
    line = wait_for_line(watch, place, flag, port);
    // Whoever gave up comes back with another flag.
    if (line.y != flag) is_over = 1;
  }
  return {line.x, line.z};
}

/// Lines with 8 bytes of data each; a thread passes a line on as soon as it is there. With
/// `whole_words` all places and the length are multiples of 8 bytes. Returns 1 if it gave up.
template <typename T, bool whole_words, typename Do>
__device__ __forceinline__ int move_lines(const Do& act, const Watch& watch, const Move& move) {
  int is_over = 0;
  const auto* in = reinterpret_cast<const uint4*>(move.incoming);
  auto* out = reinterpret_cast<uint4*>(move.outgoing);
  const uint64_t lines = (move.bytes + 7) / 8;
  const auto length = [&](uint64_t i) {
    return whole_words || move.bytes - i * 8 >= 8 ? 8 : static_cast<int>(move.bytes - i * 8);
  };
  const auto read = [&](const uint8_t* from, uint64_t i) {
    if constexpr (whole_words) return load(reinterpret_cast<const uint2*>(from) + i);
    return gather(from + i * 8, length(i));
  };
  constexpr int unroll = whole_words ? 4 : 1;
  for (uint64_t first = threadIdx.x; first < lines && !is_over; first += unroll * blockDim.x) {
    uint2 own[unroll], other[unroll];
    uint4 line[unroll];
#pragma unroll
    for (int k = 0; k < unroll; k++) {
      const uint64_t i = first + k * blockDim.x;
      if (unroll > 1 && i >= lines) break;
      if (act.receives) line[k] = load_line(in + i);
      if (act.reads_source) own[k] = read(move.source, i);
      if (act.reads_addend) other[k] = read(move.addend, i);
    }
#pragma unroll
    for (int k = 0; k < unroll; k++) {
      const uint64_t i = first + k * blockDim.x;
      if (unroll > 1 && i >= lines) break;
      uint2 value;
      if (act.receives) {
        value = poll_line(watch, in + i, line[k], move.flag_in(), move.port, is_over);
        if (act.reduces) value = add<T>(value, own[k]);
      } else {
        value = own[k];
        if (act.reduces) value = add<T>(value, other[k]);
      }
      if (act.sends) store_line(out + i, value, move.flag_out());
      if (act.stores) {
        if constexpr (whole_words) {
          reinterpret_cast<uint2*>(move.stored)[i] = value;
        } else {
          scatter(move.stored + i * 8, value, length(i));
        }
      }
    }
  }
  return is_over;
}

/// The same where a place or the length is no multiple of 8 bytes. It takes a copy of the places, which
/// lie in registers only as long as nobody has their address.
template <typename T>
__device__ __noinline__ int move_odd_lines(int bits, const Watch& watch, Move move) {
  return move_lines<T, false>(AnyActions(bits), watch, move);
}

// MARK: - Wide lines

/// A warp's share of four lines; a line is there when the last of its eight threads sees the flag.
__device__ __noinline__ inline uint4 poll_wide_line(
  const Watch& watch, const uint4* part, bool has_flag, uint32_t flag, int port) {
  uint32_t looks = 0;
  uint64_t start = 0;
  while (true) {
    const uint4 value = load_line(part);
    const bool is_missing = has_flag && (value.z != flag || value.w != flag);
    if (!__any_sync(~0u, is_missing)) return value;
    if (!__any_sync(~0u, !watch.patient(looks, start))) continue;
    // Whoever gave up sees it from the flag.
    if (is_missing) watch.give_up(0, watch.ports[port].peer, flag, value.w);
    return value;
  }
}

template <bool whole_words>
__device__ uint4 gather_wide(const uint8_t* p, int length) {
  uint2 low = {0, 0}, high = {0, 0};
  if constexpr (whole_words) {
    if (length > 0) low = load(reinterpret_cast<const uint2*>(p));
    if (length > 8) high = load(reinterpret_cast<const uint2*>(p) + 1);
  } else {
    if (length > 0) low = gather(p, min(length, 8));
    if (length > 8) high = gather(p + 8, length - 8);
  }
  return {low.x, low.y, high.x, high.y};
}

/// Lines of 128 bytes with 120 of data: eight threads store one together, the last with the flag.
/// Returns 1 if it gave up.
template <typename T, bool whole_words, typename Do>
__device__ __forceinline__ int move_wide_lines(
  const Do& act, const Watch& watch, const Move& move) {
  int is_over = 0;
  const auto bytes = static_cast<int64_t>(move.bytes);
  const uint64_t lines = (move.bytes + 119) / 120;
  const int place = threadIdx.x % 8;
  // Threads of a warp stay together, also where the last lines are missing.
  for (uint64_t first = threadIdx.x / 32 * 4; first < lines; first += blockDim.x / 8) {
    if (__any_sync(~0u, is_over)) break;
    const uint64_t line = first + threadIdx.x % 32 / 8;
    const int64_t offset = static_cast<int64_t>(line) * 120 + place * 16;
    const int length = static_cast<int>(
      max(static_cast<int64_t>(0), min(bytes - offset, static_cast<int64_t>(place < 7 ? 16 : 8))));
    uint4 value = {0, 0, 0, 0}, other = {0, 0, 0, 0};
    if (act.reads_source) value = gather_wide<whole_words>(move.source + offset, length);
    if (act.reads_addend) other = gather_wide<whole_words>(move.addend + offset, length);
    if (act.receives) {
      other = poll_wide_line(
        watch, reinterpret_cast<const uint4*>(move.incoming) + line * 8 + place,
        line < lines && place == 7, move.flag_in(), move.port);
      if (line < lines && place == 7 && other.w != move.flag_in()) is_over = 1;
      if (!act.reduces) value = other;
    }
    if (act.reduces) value = add<T>(other, value);
    if (act.sends) {
      uint4 out = value;
      if (place == 7) out.z = out.w = move.flag_out();
      if (line < lines)
        store_wide(reinterpret_cast<uint4*>(move.outgoing) + line * 8 + place, out);
    }
    if (act.stores && whole_words) {
      auto* kept = reinterpret_cast<uint2*>(move.stored + offset);
      if (length > 0) kept[0] = {value.x, value.y};
      if (length > 8) kept[1] = {value.z, value.w};
    } else if (act.stores) {
      if (length > 0) scatter(move.stored + offset, {value.x, value.y}, min(length, 8));
      if (length > 8) scatter(move.stored + offset + 8, {value.z, value.w}, length - 8);
    }
  }
  return is_over;
}

/// The same where a place or the length is no multiple of 8 bytes.
template <typename T>
__device__ __noinline__ int move_odd_wide_lines(int bits, const Watch& watch, Move move) {
  return move_wide_lines<T, false>(AnyActions(bits), watch, move);
}

// MARK: - By actions

/// Calls `work` with the actions of a transfer as a constant, and returns what it returns.
template <typename Work>
__device__ __forceinline__ int by_actions(int actions, const Work& work) {
  constexpr int receive = WEFT_PLAN_RECEIVE, reduce = WEFT_PLAN_REDUCE, store = WEFT_PLAN_STORE,
                send = WEFT_PLAN_SEND;
  switch (actions) {
  case send: return work.template operator()<send>();
  case store | send: return work.template operator()<store | send>();
  case reduce | send: return work.template operator()<reduce | send>();
  case reduce | store | send: return work.template operator()<reduce | store | send>();
  case receive | store: return work.template operator()<receive | store>();
  case receive | send: return work.template operator()<receive | send>();
  case receive | store | send: return work.template operator()<receive | store | send>();
  case receive | reduce | store: return work.template operator()<receive | reduce | store>();
  case receive | reduce | send: return work.template operator()<receive | reduce | send>();
  case receive | reduce | store | send:
    return work.template operator()<receive | reduce | store | send>();
  // What is received and neither kept nor sent only has to arrive.
  default: return work.template operator()<receive>();
  }
}

}  // namespace weft::gpu
