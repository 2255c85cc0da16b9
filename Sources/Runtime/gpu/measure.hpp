// Checks and measures plans on a GPU.
#pragma once

#include <string>
#include <vector>

#include "options.hpp"
#include "ranks.hpp"
#include "session.hpp"

namespace weft::gpu {

/// What the command line says beyond the common options.
struct DeviceOptions {
  int threads = 512;
  /// `auto`, `simple`, `ll` or `ll128`.
  std::string protocol = "auto";
  /// `graph`, `eager`, `persistent`, and with `-split` the plan's own kernels; by commas.
  std::vector<std::string> launches = {"graph"};
  bool checks_only = false;
};

/// Runs the plans one after the other and returns a sample for each and each way to launch.
std::vector<Sample> measure(
  const Options& options, const DeviceOptions& device, Ranks& ranks);

/// Times what calibration asks for, and prints it as CSV: launches in a graph and one by one, adding
/// and copying by blocks, a flag there and back, and stores to a peer by size.
void probe(const Options& options, Ranks& ranks);

}  // namespace weft::gpu
