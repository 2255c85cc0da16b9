// Elements of the types of a plan on the host: sums as the device makes them, inputs that anybody
// can compute again, and results in double precision.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan.hpp"
#include "reference.hpp"

namespace weft {

/// Writes the sums of `first` and `second` to `out` and, unless null, to `also`; each is added in
/// fp32 and rounded to the type. Operands may be the results.
void add(
  uint32_t type, const void* first, const void* second, void* out, void* also, size_t count);

/// One element as a double.
double element(uint32_t type, const void* data, size_t index);

/// The caller's side of a plan for one rank.
class Caller {
 public:
  Caller(const Program& program, uint32_t rank)
      : program_(program), shape_(program.shape(rank)) {}

  /// Fills the caller's buffers of a call: the input with numbers, what is not input with poison.
  void fill(std::byte* memory, Inputs inputs, uint64_t call) const;
  /// The number of elements of the result, 0 for a rank that has none.
  size_t result_count() const;
  /// What the results from `first` on must be.
  void expect(Expected* out, size_t first, size_t count, Inputs inputs, uint64_t call) const;
  /// How many of the results from `first` on are wrong.
  size_t wrong(
    const std::byte* memory, const Expected* expected, size_t first, size_t count,
    Inputs inputs) const;
  /// Whether all ranks expect the same, so that they can share the work of computing it.
  bool expects_alike() const;

 private:
  const Program& program_;
  Shape shape_;
};

/// A byte that no test reads as a number it could have computed: NaN in every floating-point type.
constexpr unsigned char poison = 0xff;

}  // namespace weft
