#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <thread>

#include "baseline.hpp"
#include "caller.hpp"

namespace weft::gpu {
namespace {

/// A stream and two events, gone with their owner.
struct Clock {
  cudaStream_t stream = nullptr;
  cudaEvent_t begin = nullptr, end = nullptr;
  Clock() {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
    check(cudaEventCreate(&begin), "event");
    check(cudaEventCreate(&end), "event");
  }
  ~Clock() {
    (void)cudaEventDestroy(begin);
    (void)cudaEventDestroy(end);
    (void)cudaStreamDestroy(stream);
  }
  double microseconds() const {
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "events");
    return milliseconds * 1e3;
  }
};

Wire wanted_wire(const Program& program, const std::string& protocol) {
  if (protocol == "simple") return Wire::messages;
  if (protocol == "ll") return Wire::lines;
  if (protocol == "ll128") return Wire::wide_lines;
  switch (program.header().protocol) {
  case WEFT_PLAN_LL: return Wire::lines;
  case WEFT_PLAN_LL128: return Wire::wide_lines;
  default: return Wire::messages;
  }
}

// What runs: wide lines stay whole on NVLink alone.
Wire wire_of(const Program& program, const std::string& protocol, const Ranks& ranks) {
  const Wire wanted = wanted_wire(program, protocol);
  return wanted == Wire::wide_lines && !ranks.reaches_all() ? Wire::lines : wanted;
}

class Measurement {
 public:
  /// `baseline` is null to run the plan itself.
  Measurement(
    const Options& options, const DeviceOptions& device, Ranks& ranks, const std::string& path,
    Baseline* baseline)
      : options_(options), device_(device), ranks_(ranks) {
    Layout layout{128, true, 1};
    program_ = std::make_unique<Program>(path, layout);
    const int wanted = static_cast<int>(program_->header().ranks);
    if (ranks.count() != 0 && ranks.count() != wanted)
      throw PlanError(
        path + ": it is a plan for " + std::to_string(wanted) + " ranks, and "
        + std::to_string(ranks.count()) + " are running");
    Settings settings;
    settings.wire = wire_of(*program_, device.protocol, ranks);
    settings.threads = device.threads;
    settings.timeout_seconds = options.timeout_seconds;
    if (settings.wire != Wire::messages) {
      layout.slot_expansion = 2;
      program_ = std::make_unique<Program>(path, layout);
    }
    ranks.allocate(memory_bytes(*program_), wanted);
    if (baseline != nullptr) {
      work_ = baseline->work(*program_, settings);
    } else {
      work_ = std::make_unique<Session>(
        *program_, ranks.first(), ranks.own(), ranks.all(), settings);
    }
    has_kernels_ = baseline == nullptr && program_->header().kernels > 1;
    wrong_ = Allocation(sizeof(unsigned long long));
  }

  /// A sample for each way to launch that the work has.
  std::vector<Sample> run(const std::string& name) {
    std::vector<Sample> samples;
    for (std::string launch : device_.launches) {
      const bool splits = launch.size() > 6 && launch.substr(launch.size() - 6) == "-split";
      const std::string way = splits ? launch.substr(0, launch.size() - 6) : launch;
      // A call of one kernel has no other form.
      if (!has_kernels_) launch = way;
      const auto is_same = [&](const Sample& sample) { return sample.launch == launch; };
      if (std::any_of(samples.begin(), samples.end(), is_same)) continue;
      const Form form = splits && has_kernels_ ? Form::split
        : way == "persistent" ? Form::persistent : Form::fused;
      samples.push_back(measure(way, form));
      samples.back().plan = name;
      samples.back().launch = launch;
      samples.back().version = work_->version();
    }
    return samples;
  }

 private:
  Sample measure(const std::string& way, Form form) {
    Sample sample;
    work_->reset();
    ranks_.meet();
    // Ranks drift apart by random times, which is when a missing handshake shows.
    std::mt19937 random(static_cast<unsigned>(ranks_.first()));
    const uint64_t calls = program_->telling_calls();
    for (uint64_t i = 0; i <= calls; i++) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
      check_call(i == calls ? Inputs::real : Inputs::whole, form, sample);
    }
    if (device_.checks_only) {
      sample.periods = {0};
    } else {
      time(way, form, sample);
      check_call(Inputs::whole, form, sample);
    }
    sample.wrong = static_cast<uint64_t>(ranks_.sum(static_cast<double>(sample.wrong)));
    sample.checked = static_cast<uint64_t>(ranks_.sum(static_cast<double>(sample.checked)));
    return sample;
  }

  void time(const std::string& way, Form form, Sample& sample) {
    // What one call takes, roughly, after it is warm.
    work_->start(clock_.stream, static_cast<int>(std::max(2u, options_.warmup)), form);
    work_->finish(clock_.stream);
    const double once =
      ranks_.largest(batch([&] { work_->start(clock_.stream, 4, form); })) / 4;
    Options options = options_;
    fit_budget(options, once * 1e-6);
    sample.iterations = options.iterations;
    const int calls = static_cast<int>(options.iterations);
    if (way != "graph") {
      for (unsigned i = 0; i < options.repeats; i++)
        sample.periods.push_back(
          ranks_.largest(batch([&] { work_->start(clock_.stream, calls, form); })) / calls);
      return;
    }
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    // Other threads of NVSHMEM may call CUDA meanwhile, which a stricter mode forbids.
    check(cudaStreamBeginCapture(clock_.stream, cudaStreamCaptureModeThreadLocal), "capture");
    work_->start(clock_.stream, calls, form);
    check(cudaStreamEndCapture(clock_.stream, &graph), "capture");
    check(cudaGraphInstantiate(&executable, graph, 0), "graph");
    for (unsigned i = 0; i < options.repeats + 1; i++) {
      const double time = ranks_.largest(
        batch([&] { check(cudaGraphLaunch(executable, clock_.stream), "graph launch"); }));
      // The first replay uploads the graph.
      if (i > 0) sample.periods.push_back(time / calls);
    }
    check(cudaGraphExecDestroy(executable), "graph");
    check(cudaGraphDestroy(graph), "graph");
  }

  // The device's time of what `start` puts on the stream, in microseconds.
  template <typename Start>
  double batch(const Start& start) {
    ranks_.meet();
    check(cudaEventRecord(clock_.begin, clock_.stream), "event");
    start();
    check(cudaEventRecord(clock_.end, clock_.stream), "event");
    work_->finish(clock_.stream);
    return clock_.microseconds();
  }

  // One call on fresh numbers, and how many of the results are wrong.
  void check_call(Inputs inputs, Form form, Sample& sample) {
    const uint64_t number = checks_++;
    const std::vector<uint8_t*>& own = ranks_.own();
    for (size_t i = 0; i < own.size(); i++)
      fill_inputs(clock_.stream, *program_, rank(i), own[i], inputs, number);
    check(cudaMemsetAsync(wrong_.as<void>(), 0, sizeof(unsigned long long), clock_.stream), "zero");
    check(cudaStreamSynchronize(clock_.stream), "inputs");
    ranks_.meet();
    work_->start(clock_.stream, 1, form);
    work_->finish(clock_.stream);
    ranks_.meet();
    for (size_t i = 0; i < own.size(); i++) {
      count_wrong(
        clock_.stream, *program_, rank(i), own[i], inputs, number,
        wrong_.as<unsigned long long>());
      sample.checked += program_->shape(rank(i)).result_count();
    }
    unsigned long long wrong = 0;
    check(
      cudaMemcpyAsync(
        &wrong, wrong_.as<void>(), sizeof wrong, cudaMemcpyDeviceToHost, clock_.stream),
      "results");
    check(cudaStreamSynchronize(clock_.stream), "results");
    sample.wrong += wrong;
  }

  uint32_t rank(size_t local_rank) const {
    return static_cast<uint32_t>(ranks_.first()) + static_cast<uint32_t>(local_rank);
  }

  const Options& options_;
  const DeviceOptions& device_;
  Ranks& ranks_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<Work> work_;
  bool has_kernels_ = false;
  uint64_t checks_ = 0;
  Allocation wrong_;
  Clock clock_;
};

}  // namespace

std::vector<Sample> measure(const Options& options, const DeviceOptions& device, Ranks& ranks) {
  std::vector<Sample> samples;
  std::map<std::string, std::unique_ptr<Baseline>> baselines;
  for (const std::string& name : options.plans) {
    // A baseline does what the plan behind the sign does.
    const size_t sign = name.find('@');
    Baseline* baseline = nullptr;
    if (sign != std::string::npos) {
      auto& known = baselines[name.substr(0, sign)];
      if (!known) known = Baseline::named(name.substr(0, sign), ranks);
      baseline = known.get();
    }
    const std::string path = sign == std::string::npos ? name : name.substr(sign + 1);
    Measurement measurement(options, device, ranks, path, baseline);
    for (Sample& sample : measurement.run(name)) samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace weft::gpu
