#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "elements.hpp"

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

/// Shares `count` items among the host's cores.
template <typename Work>
void share(size_t count, const Work& work) {
  const size_t parts = std::clamp<size_t>(count >> 16, 1, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (size_t i = 1; i < parts; i++)
    threads.emplace_back([&, i] { work(count * i / parts, count * (i + 1) / parts); });
  work(0, count / parts);
  for (std::thread& thread : threads) thread.join();
}

bool uses_lines(const Program& program, const std::string& protocol) {
  if (protocol != "auto") return protocol == "ll";
  const std::string name = program.header().protocol_name;
  if (name != "ideal") return program.header().protocol != WEFT_PLAN_SIMPLE;
  uint64_t longest = 0;
  for (const Connection& connection : program.connections())
    longest = std::max(longest, connection.longest);
  // Lines double the bytes and save a fence and a counter; the two cross near this length.
  return longest * program.element_bytes() <= 32 << 10;
}

class Measurement {
 public:
  Measurement(
    const Options& options, const DeviceOptions& device, Ranks& ranks, const std::string& path)
      : options_(options), device_(device), ranks_(ranks), path_(path) {
    Layout layout{128, true, 1};
    program_ = std::make_unique<Program>(path, layout);
    const int wanted = static_cast<int>(program_->header().ranks);
    if (ranks.count() != 0 && ranks.count() != wanted)
      throw PlanError(
        path + ": it is a plan for " + std::to_string(wanted) + " ranks, and "
        + std::to_string(ranks.count()) + " are running");
    settings_.is_ll = uses_lines(*program_, device.protocol);
    settings_.threads = device.threads;
    settings_.timeout_seconds = options.timeout_seconds;
    if (settings_.is_ll) {
      layout.slot_expansion = 2;
      program_ = std::make_unique<Program>(path, layout);
    }
    ranks.allocate(memory_bytes(*program_), wanted);
    session_ = std::make_unique<Session>(
      *program_, ranks.first(), ranks.own(), ranks.all(), settings_);
    images_.resize(session_->ranks());
    // The caller's buffers come before scratch, but their order is the plan's: all up to counters.
    for (auto& image : images_) image.resize(program_->control_offset());
  }

  std::vector<Sample> run() {
    std::vector<Sample> samples;
    for (const std::string& launch : device_.launches) {
      samples.push_back(measure(launch));
      samples.back().launch = launch;
    }
    return samples;
  }

 private:
  Sample measure(const std::string& launch) {
    const bool splits = launch.size() > 6 && launch.substr(launch.size() - 6) == "-split";
    const std::string way = splits ? launch.substr(0, launch.size() - 6) : launch;
    const Form form = splits ? Form::split : way == "persistent" ? Form::persistent : Form::fused;
    Sample sample;
    sample.plan = path_;
    session_->reset();
    ranks_.meet();
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
    session_->start(clock_.stream, static_cast<int>(std::max(2u, options_.warmup)), form);
    session_->finish(clock_.stream);
    ranks_.meet();
    const double once = ranks_.largest(batch([&] { session_->start(clock_.stream, 1, form); }));
    Options options = options_;
    fit_budget(options, once * 1e-6);
    sample.iterations = options.iterations;
    const int calls = static_cast<int>(options.iterations);
    if (way != "graph") {
      for (unsigned i = 0; i < options.repeats; i++)
        sample.periods.push_back(
          ranks_.largest(batch([&] { session_->start(clock_.stream, calls, form); })) / calls);
      return;
    }
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    // Other threads of NVSHMEM may call CUDA meanwhile, which a stricter mode forbids.
    check(cudaStreamBeginCapture(clock_.stream, cudaStreamCaptureModeThreadLocal), "capture");
    session_->start(clock_.stream, calls, form);
    check(cudaStreamEndCapture(clock_.stream, &graph), "capture");
    check(cudaGraphInstantiate(&executable, graph, 0), "graph");
    // The captured calls have not run yet.
    session_->uncount(calls);
    for (unsigned i = 0; i < options.repeats + 1; i++) {
      const double time = ranks_.largest(batch([&] {
        check(cudaGraphLaunch(executable, clock_.stream), "graph launch");
        session_->uncount(-calls);
      }));
      // The first replay uploads the graph.
      if (i > 0) sample.periods.push_back(time / calls);
    }
    check(cudaGraphExecDestroy(executable), "graph");
    check(cudaGraphDestroy(graph), "graph");
  }

  // The device's time of what `work` puts on the stream, in microseconds.
  template <typename Work>
  double batch(const Work& work) {
    ranks_.meet();
    check(cudaEventRecord(clock_.begin, clock_.stream), "event");
    work();
    check(cudaEventRecord(clock_.end, clock_.stream), "event");
    session_->finish(clock_.stream);
    return clock_.microseconds();
  }

  // One call on fresh numbers, and how many of the results are wrong.
  void check_call(Inputs inputs, Form form, Sample& sample) {
    const uint64_t number = session_->calls();
    const int count = session_->ranks();
    std::vector<std::thread> threads;
    for (int i = 0; i < count; i++)
      threads.emplace_back([&, i] {
        Caller(*program_, rank(i)).fill(images_[i].data(), inputs, number);
      });
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < count; i++) copy(i, cudaMemcpyHostToDevice);
    check(cudaDeviceSynchronize(), "inputs");
    ranks_.meet();
    session_->start(clock_.stream, 1, form);
    session_->finish(clock_.stream);
    ranks_.meet();
    std::vector<Expected> expected;
    for (int i = 0; i < count; i++) {
      copy(i, cudaMemcpyDeviceToHost);
      const Caller caller(*program_, rank(i));
      const size_t results = caller.result_count();
      if (i == 0 || !caller.expects_alike()) {
        expected.resize(results);
        share(results, [&](size_t first, size_t last) {
          caller.expect(expected.data() + first, first, last - first, inputs, number);
        });
      }
      sample.wrong +=
        caller.wrong(images_[i].data(), expected.data(), 0, results, inputs);
      sample.checked += results;
    }
  }

  void copy(int local_rank, cudaMemcpyKind kind) {
    for (const unsigned buffer : {program_->input_buffer(), program_->output_buffer()}) {
      const uint64_t offset = program_->buffer_offset(buffer);
      uint8_t* device = session_->memory(local_rank) + offset;
      std::byte* host = images_[local_rank].data() + offset;
      const bool up = kind == cudaMemcpyHostToDevice;
      check(
        cudaMemcpy(
          up ? static_cast<void*>(device) : host, up ? static_cast<void*>(host) : device,
          program_->buffer_bytes(buffer), kind),
        "copy");
    }
  }

  uint32_t rank(int local_rank) const {
    return static_cast<uint32_t>(ranks_.first() + local_rank);
  }

  const Options& options_;
  const DeviceOptions& device_;
  Ranks& ranks_;
  std::string path_;
  std::unique_ptr<Program> program_;
  Settings settings_;
  std::unique_ptr<Session> session_;
  std::vector<std::vector<std::byte>> images_;
  Clock clock_;
};

}  // namespace

std::vector<Sample> measure(const Options& options, const DeviceOptions& device, Ranks& ranks) {
  std::vector<Sample> samples;
  for (const std::string& path : options.plans) {
    Measurement measurement(options, device, ranks, path);
    for (Sample& sample : measurement.run()) samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace weft::gpu
