#include "elements.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace weft {
namespace {

float wide(float value) { return value; }

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

float wide(Brain value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

// IEEE 754 binary16 by its fields: the exponent is rebased by a multiplication, which also gets
// subnormal numbers right.
float wide(Half value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  const uint32_t rest = value.bits & 0x7fff;
  if (rest >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  const float scaled = std::bit_cast<float>(rest << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

void narrow(float value, float& out) { out = value; }

// To the nearest, ties to even.
void narrow(float value, Brain& out) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    out.bits = 0x7fff;
    return;
  }
  out.bits = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void narrow(float value, Half& out) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) {
    out.bits = 0x7fff;
  } else if (rest >= 0x477ff000) {
    out.bits = sign | 0x7c00;
  } else if (rest < 0x38800000) {
    // Subnormal: adding 0.5 leaves the rounded bits at the low end of the fraction.
    const float shifted = std::bit_cast<float>(rest) + 0.5f;
    out.bits = sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  } else {
    out.bits = sign | static_cast<uint16_t>((rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13);
  }
}

template <typename T>
T sum(T first, T second) {
  T out;
  narrow(wide(first) + wide(second), out);
  return out;
}

// Whole numbers wrap around as the device's do.
uint32_t sum(uint32_t first, uint32_t second) { return first + second; }

template <typename T>
void add_all(const void* first, const void* second, void* out, void* also, size_t count) {
  const auto* left = static_cast<const T*>(first);
  const auto* right = static_cast<const T*>(second);
  auto* result = static_cast<T*>(out);
  if (also == nullptr) {
    for (size_t i = 0; i < count; i++) result[i] = sum(left[i], right[i]);
    return;
  }
  auto* copy = static_cast<T*>(also);
  for (size_t i = 0; i < count; i++) copy[i] = result[i] = sum(left[i], right[i]);
}

uint64_t mixed(uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
  return value ^ value >> 31;
}

template <typename T>
void put_at(std::byte* data, size_t index, double value) {
  T element;
  narrow(static_cast<float>(value), element);
  std::memcpy(data + index * sizeof(T), &element, sizeof(T));
}

void store(uint32_t type, std::byte* data, size_t index, double value) {
  switch (type) {
  case WEFT_PLAN_FP16: return put_at<Half>(data, index, value);
  case WEFT_PLAN_BF16: return put_at<Brain>(data, index, value);
  case WEFT_PLAN_INT32: {
    const auto whole = static_cast<int32_t>(value);
    std::memcpy(data + index * 4, &whole, 4);
    return;
  }
  default: return put_at<float>(data, index, value);
  }
}

template <typename T>
double rounded(double value) {
  T element;
  narrow(static_cast<float>(value), element);
  return wide(element);
}

// 2 to the power of minus the bits of the fraction with its hidden one: half a unit in the last
// place, relative.
double roundoff(uint32_t type) {
  return type == WEFT_PLAN_BF16 ? 0x1p-8 : type == WEFT_PLAN_FP16 ? 0x1p-11 : 0x1p-24;
}

bool reduces(uint32_t collective) {
  return collective == WEFT_PLAN_ALL_REDUCE || collective == WEFT_PLAN_REDUCE_SCATTER
    || collective == WEFT_PLAN_REDUCE_TO_ROOT;
}

}  // namespace

void add(
  uint32_t type, const void* first, const void* second, void* out, void* also, size_t count) {
  switch (type) {
  case WEFT_PLAN_FP16: return add_all<Half>(first, second, out, also, count);
  case WEFT_PLAN_BF16: return add_all<Brain>(first, second, out, also, count);
  case WEFT_PLAN_INT32: return add_all<uint32_t>(first, second, out, also, count);
  default: return add_all<float>(first, second, out, also, count);
  }
}

double element(uint32_t type, const void* data, size_t index) {
  const auto* bytes = static_cast<const std::byte*>(data);
  const auto read = [&]<typename T>(T value) {
    std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
    return value;
  };
  switch (type) {
  case WEFT_PLAN_FP16: return wide(read(Half{}));
  case WEFT_PLAN_BF16: return wide(read(Brain{}));
  case WEFT_PLAN_INT32: return read(int32_t{});
  default: return read(float{});
  }
}

double Caller::input(Inputs inputs, uint32_t rank, uint64_t index, uint64_t call) const {
  const uint64_t hash = mixed(mixed(call * 0x10001 + rank) ^ index);
  const weft_plan_header& header = program_.header();
  if (inputs == Inputs::whole || header.type == WEFT_PLAN_INT32) {
    // So small that no partial sum needs more bits than a fraction has.
    const double most = reduces(header.collective) ? 1 / roundoff(header.type) / header.ranks
                                                   : 1 / roundoff(header.type);
    const auto reach = static_cast<uint64_t>(std::fmax(1, std::fmin(most, 1000)));
    return static_cast<double>(hash % (2 * reach + 1)) - static_cast<double>(reach);
  }
  const double value = static_cast<double>(hash >> 11) * 0x1p-52 - 1;
  switch (header.type) {
  case WEFT_PLAN_FP16: return rounded<Half>(value);
  case WEFT_PLAN_BF16: return rounded<Brain>(value);
  default: return rounded<float>(value);
  }
}

void Caller::fill(std::byte* memory, Inputs inputs, uint64_t call) const {
  const weft_plan_header& header = program_.header();
  std::byte* output = memory + program_.buffer_offset(program_.output_buffer());
  std::memset(output, poison, program_.buffer_bytes(program_.output_buffer()));
  std::byte* data = memory + program_.buffer_offset(program_.input_buffer());
  const bool gathers = header.collective == WEFT_PLAN_ALL_GATHER;
  const uint64_t share = header.elements / header.ranks;
  const uint64_t count = gathers ? share : header.elements;
  const uint64_t start = gathers && program_.in_place() ? rank_ * share : 0;
  // Only the root of a broadcast brings something.
  if (header.collective == WEFT_PLAN_BROADCAST && rank_ != 0) {
    std::memset(data, poison, program_.buffer_bytes(program_.input_buffer()));
    return;
  }
  for (uint64_t i = 0; i < count; i++)
    store(header.type, data, start + i, input(inputs, rank_, i, call));
}

size_t Caller::result_count() const {
  const weft_plan_header& header = program_.header();
  switch (header.collective) {
  case WEFT_PLAN_REDUCE_SCATTER: return header.elements / header.ranks;
  case WEFT_PLAN_REDUCE_TO_ROOT: return rank_ == 0 ? header.elements : 0;
  default: return header.elements;
  }
}

size_t Caller::result_start() const {
  const weft_plan_header& header = program_.header();
  const bool scatters = header.collective == WEFT_PLAN_REDUCE_SCATTER && program_.in_place();
  return scatters ? rank_ * (header.elements / header.ranks) : 0;
}

bool Caller::expects_alike() const {
  return program_.header().collective == WEFT_PLAN_ALL_REDUCE;
}

void Caller::expect(
  Expected* out, size_t first, size_t count, Inputs inputs, uint64_t call) const {
  const weft_plan_header& header = program_.header();
  const uint64_t share = header.elements / header.ranks;
  for (size_t i = 0; i < count; i++) {
    const uint64_t index = first + i;
    Expected expected;
    if (reduces(header.collective)) {
      const uint64_t place =
        header.collective == WEFT_PLAN_REDUCE_SCATTER ? rank_ * share + index : index;
      for (uint32_t rank = 0; rank < header.ranks; rank++) {
        const double value = input(inputs, rank, place, call);
        expected.sum += value;
        expected.magnitude += std::fabs(value);
      }
    } else if (header.collective == WEFT_PLAN_BROADCAST) {
      expected.sum = input(inputs, 0, index, call);
    } else {
      const uint64_t place =
        (header.collective == WEFT_PLAN_ALL_TO_ALL ? rank_ * share : 0) + index % share;
      expected.sum = input(inputs, static_cast<uint32_t>(index / share), place, call);
    }
    out[i] = expected;
  }
}

size_t Caller::wrong(
  const std::byte* memory, const Expected* expected, size_t first, size_t count,
  Inputs inputs) const {
  const weft_plan_header& header = program_.header();
  const std::byte* data = memory + program_.buffer_offset(program_.output_buffer());
  const bool rounds =
    inputs == Inputs::real && reduces(header.collective) && header.type != WEFT_PLAN_INT32;
  const double share = rounds ? (header.ranks - 1) * roundoff(header.type) : 0;
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = element(header.type, data, result_start() + first + i);
    const double error = std::fabs(value - expected[i].sum);
    // NaN is never within.
    if (!(error <= share * expected[i].magnitude)) wrong++;
  }
  return wrong;
}

}  // namespace weft
