// What can be tested of the common parts without a plan: arithmetic of the types, and the refusal of
// files that are none.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <vector>

#include "elements.hpp"
#include "options.hpp"
#include "plan.hpp"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  failures++;
}

double add_two(uint32_t type, uint16_t first, uint16_t second) {
  uint16_t out = 0;
  weft::add(type, &first, &second, &out, nullptr, 1);
  return weft::element(type, &out, 0);
}

// Every 16-bit number plus zero is itself, and sums are the nearest numbers of the type.
void test_types() {
  for (uint32_t type : {WEFT_PLAN_FP16, WEFT_PLAN_BF16}) {
    bool all = true;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
      const auto half = static_cast<uint16_t>(bits);
      const double value = weft::element(type, &half, 0);
      const double sum = add_two(type, half, 0);
      all = all && (std::isnan(value) ? std::isnan(sum) : sum == value);
    }
    expect(all, "x + 0 = x for every 16-bit number");
  }
  // 1 + 2^-11 in fp16 is a tie to the even 1; 1 + 3 x 2^-11 rounds up to the even 1 + 2^-9.
  expect(add_two(WEFT_PLAN_FP16, 0x3c00, 0x1000) == 1, "fp16 rounds ties to even, down");
  expect(add_two(WEFT_PLAN_FP16, 0x3c01, 0x1000) == 1 + 0x1p-9, "fp16 rounds ties to even, up");
  expect(add_two(WEFT_PLAN_FP16, 0x0001, 0x0001) == 0x1p-23, "fp16 adds subnormal numbers");
  expect(std::isinf(add_two(WEFT_PLAN_FP16, 0x7bff, 0x7bff)), "fp16 overflows to infinity");
  expect(add_two(WEFT_PLAN_BF16, 0x3f80, 0x3b80) == 1, "bf16 rounds ties to even, down");
  expect(add_two(WEFT_PLAN_BF16, 0x3f81, 0x3b80) == 1 + 0x1p-6, "bf16 rounds ties to even, up");
  const uint32_t one = 0x7fffffff, two = 1;
  uint32_t sum = 0;
  weft::add(WEFT_PLAN_INT32, &one, &two, &sum, nullptr, 1);
  expect(sum == 0x80000000u, "int32 wraps around");
}

bool is_refused(const std::string& path) {
  try {
    const weft::Program program(path, weft::Layout{});
    return false;
  } catch (const weft::PlanError&) {
    return true;
  }
}

void test_files() {
  expect(is_refused("/nowhere/plan"), "a file that is not there");
  const std::string path = "plan-test.tmp";
  std::ofstream(path) << "";
  expect(is_refused(path), "an empty file");
  std::ofstream(path) << "WEFTPLAN and then something else";
  expect(is_refused(path), "a file with the right beginning only");
  std::remove(path.c_str());
}

void test_budget() {
  weft::Options options;
  weft::fit_budget(options, 1);
  expect(options.iterations == 2 && options.repeats == 3, "long calls are repeated a few times");
  options = {};
  weft::fit_budget(options, 1e-6);
  expect(options.iterations == 20 && options.repeats == 20, "short calls as often as asked");
}

}  // namespace

int main() {
  test_types();
  test_files();
  test_budget();
  if (failures == 0) std::puts("all passed");
  return failures == 0 ? 0 : 1;
}
