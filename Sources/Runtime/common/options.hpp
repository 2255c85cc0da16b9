// The command line of the runtimes, which `weft run` writes.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {

/// A wrong command line; the runtime ends with exit code 64.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Options {
  /// The plans, one after the other.
  std::vector<std::string> plans;
  /// Where the samples go; standard output if empty.
  std::string output;
  /// Calls before the first timed one, calls of a timed batch, and batches.
  unsigned warmup = 5;
  unsigned iterations = 20;
  unsigned repeats = 20;
  /// Batches become shorter, then fewer, so that a plan is timed for about this long.
  double budget_seconds = 2;
  /// Without any progress for so long, a rank says what it waits for and the run ends.
  double timeout_seconds = 30;
  /// How data reaches a rank of another node: by the host's shared memory or by the library.
  std::string transport = "auto";
  /// Ends this rank by a signal at the beginning of a call, to see what the others do.
  long fail_rank = -1;
  long fail_call = 0;
  /// Further words, for a backend to read.
  std::vector<std::string> others;

  static Options parse(int count, char** words);
};

/// One plan's measurement: periods of back-to-back calls over the batches, in microseconds.
struct Sample {
  std::string plan;
  std::string launch;
  uint64_t wrong = 0;
  uint64_t checked = 0;
  unsigned iterations = 0;
  std::vector<double> periods;
  /// The version of a library that ran in place of the plan.
  std::string version;
};

/// The calls of a batch and the batches that fit into a budget, from the time of one call.
void fit_budget(Options& options, double seconds_per_call);

/// Writes samples as CSV: plan, launch, wrong, checked, iterations, repeats, median, p05, p95, least,
/// version.
void write_samples(const Options& options, const std::vector<Sample>& samples);

}  // namespace weft
