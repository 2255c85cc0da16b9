#include "elements.hpp"

#include <bit>
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

double rounded(uint32_t type, double value) {
  switch (type) {
  case WEFT_PLAN_FP16: return rounded<Half>(value);
  case WEFT_PLAN_BF16: return rounded<Brain>(value);
  case WEFT_PLAN_INT32: return value;
  default: return rounded<float>(value);
  }
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

void Caller::fill(std::byte* memory, Inputs inputs, uint64_t call) const {
  std::byte* output = memory + program_.buffer_offset(program_.output_buffer());
  std::memset(output, poison, program_.buffer_bytes(program_.output_buffer()));
  std::byte* data = memory + program_.buffer_offset(program_.input_buffer());
  std::memset(data, poison, program_.buffer_bytes(program_.input_buffer()));
  const uint64_t count = shape_.input_count(), start = shape_.input_start();
  for (uint64_t i = 0; i < count; i++)
    store(shape_.type, data, start + i, shape_.input(inputs, shape_.rank, i, call));
}

size_t Caller::result_count() const { return shape_.result_count(); }

bool Caller::expects_alike() const { return shape_.collective == WEFT_PLAN_ALL_REDUCE; }

void Caller::expect(
  Expected* out, size_t first, size_t count, Inputs inputs, uint64_t call) const {
  const auto rounded = [this](double value) { return weft::rounded(shape_.type, value); };
  for (size_t i = 0; i < count; i++) out[i] = shape_.expected(inputs, first + i, call, rounded);
}

size_t Caller::wrong(
  const std::byte* memory, const Expected* expected, size_t first, size_t count,
  Inputs inputs) const {
  const std::byte* data = memory + program_.buffer_offset(program_.output_buffer());
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    const double value = element(shape_.type, data, shape_.result_start() + first + i);
    wrong += shape_.is_wrong(inputs, value, expected[i]);
  }
  return wrong;
}

}  // namespace weft
