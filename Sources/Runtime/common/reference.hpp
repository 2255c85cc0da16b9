// What the caller of a collective brings and must find, as arithmetic that the host and a GPU do alike:
// numbers that anybody can compute again from rank, index and call, and sums in double precision.
#pragma once

#include <cmath>
#include <cstdint>

#include "weft_plan.h"

#ifdef __CUDACC__
#define WEFT_ANYWHERE __host__ __device__
#else
#define WEFT_ANYWHERE
#endif

namespace weft {

/// What the caller's data are.
enum class Inputs {
  /// Small whole numbers, whose sums are exact in every order: results must be equal.
  whole,
  /// Numbers between -1 and 1: results must be within the rounding of as many additions.
  real,
};

/// An expected element: the sum in double precision and the sum of magnitudes, which bounds what
/// rounding may do.
struct Expected {
  double sum = 0;
  double magnitude = 0;
};

/// What of a plan decides about the caller's data of one rank.
struct Shape {
  uint32_t collective;
  uint32_t type;
  uint32_t ranks;
  uint32_t rank;
  uint64_t elements;
  bool in_place;

  WEFT_ANYWHERE bool reduces() const {
    return collective == WEFT_PLAN_ALL_REDUCE || collective == WEFT_PLAN_REDUCE_SCATTER
      || collective == WEFT_PLAN_REDUCE_TO_ROOT;
  }

  /// 2 to the power of minus the bits of the fraction with its hidden one: half a unit in the last
  /// place, relative.
  WEFT_ANYWHERE double roundoff() const {
    return type == WEFT_PLAN_BF16 ? 0x1p-8 : type == WEFT_PLAN_FP16 ? 0x1p-11 : 0x1p-24;
  }

  WEFT_ANYWHERE uint64_t share() const { return elements / ranks; }

  /// The elements that the rank brings, and where in its input buffer; none but the root's for a
  /// broadcast.
  WEFT_ANYWHERE uint64_t input_count() const {
    if (collective == WEFT_PLAN_BROADCAST && rank != 0) return 0;
    return collective == WEFT_PLAN_ALL_GATHER ? share() : elements;
  }
  WEFT_ANYWHERE uint64_t input_start() const {
    return collective == WEFT_PLAN_ALL_GATHER && in_place ? rank * share() : 0;
  }

  /// The elements that the rank finds, and where in its output buffer; none but the root's for a
  /// reduce.
  WEFT_ANYWHERE uint64_t result_count() const {
    switch (collective) {
    case WEFT_PLAN_REDUCE_SCATTER: return share();
    case WEFT_PLAN_REDUCE_TO_ROOT: return rank == 0 ? elements : 0;
    default: return elements;
    }
  }
  WEFT_ANYWHERE uint64_t result_start() const {
    return collective == WEFT_PLAN_REDUCE_SCATTER && in_place ? rank * share() : 0;
  }

  /// Element `index` of what `of` brings to a call, before it is rounded to the type.
  WEFT_ANYWHERE double input(Inputs inputs, uint32_t of, uint64_t index, uint64_t call) const {
    const uint64_t hash = mixed(mixed(call * 0x10001 + of) ^ index);
    if (inputs == Inputs::real && type != WEFT_PLAN_INT32)
      return static_cast<double>(hash >> 11) * 0x1p-52 - 1;
    // So small that no partial sum needs more bits than a fraction has.
    const double most = 1 / roundoff() / (reduces() ? ranks : 1);
    const auto reach = static_cast<uint64_t>(most > 1000 ? 1000 : most < 1 ? 1 : most);
    return static_cast<double>(hash % (2 * reach + 1)) - static_cast<double>(reach);
  }

  /// Result number `index` of the rank; `rounded` gives an input as the type holds it.
  template <typename Rounded>
  WEFT_ANYWHERE Expected expected(
    Inputs inputs, uint64_t index, uint64_t call, const Rounded& rounded) const {
    Expected out;
    if (reduces()) {
      const uint64_t place = collective == WEFT_PLAN_REDUCE_SCATTER ? rank * share() + index : index;
      for (uint32_t of = 0; of < ranks; of++) {
        const double value = rounded(input(inputs, of, place, call));
        out.sum += value;
        out.magnitude += fabs(value);
      }
    } else if (collective == WEFT_PLAN_BROADCAST) {
      out.sum = rounded(input(inputs, 0, index, call));
    } else {
      const uint64_t start = collective == WEFT_PLAN_ALL_TO_ALL ? rank * share() : 0;
      out.sum = rounded(
        input(inputs, static_cast<uint32_t>(index / share()), start + index % share(), call));
    }
    return out;
  }

  /// Whether a result is not what is expected; NaN never is.
  WEFT_ANYWHERE bool is_wrong(Inputs inputs, double value, const Expected& expected) const {
    const bool rounds = inputs == Inputs::real && reduces() && type != WEFT_PLAN_INT32;
    const double share = rounds ? (ranks - 1) * roundoff() : 0;
    return !(fabs(value - expected.sum) <= share * expected.magnitude);
  }

 private:
  WEFT_ANYWHERE static uint64_t mixed(uint64_t value) {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    return value ^ value >> 31;
  }
};

}  // namespace weft
