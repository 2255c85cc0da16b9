// weft-runtime-mpi: runs plans on the ranks of an MPI job, checks every result, and measures the
// period of back-to-back calls.
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "elements.hpp"
#include "interpreter.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "plan.hpp"

namespace weft {
namespace {

// What `weft run` and its caller tell apart; the same numbers as Weft's own.
enum Status { done = 0, wrong_results = 1, wrong_usage = 64, bad_plan = 65, unavailable = 69 };

class Runner {
 public:
  explicit Runner(const Options& options) : options_(options) {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
  }

  int run() {
    std::vector<std::unique_ptr<Program>> programs;
    uint64_t bytes = 0;
    for (const std::string& path : options_.plans) {
      programs.push_back(std::make_unique<Program>(path, Layout{}));
      const Program& program = *programs.back();
      require_same(program, path);
      bytes = std::max(bytes, program.memory_bytes());
    }
    const uint32_t per_node = programs.front()->header().ranks_per_node;
    Memory memory(bytes, per_node, options_.transport);
    std::vector<Sample> samples;
    uint64_t wrong = 0;
    for (size_t i = 0; i < programs.size(); i++) {
      samples.push_back(measure(*programs[i], memory, options_.plans[i]));
      wrong += samples.back().wrong;
    }
    if (rank_ == 0) write_samples(options_, samples);
    return wrong == 0 ? done : wrong_results;
  }

 private:
  // Every process reads the file itself: all must have read the same.
  void require_same(const Program& program, const std::string& path) const {
    if (program.header().ranks != static_cast<uint32_t>(ranks_))
      throw PlanError(
        path + ": it is a plan for " + std::to_string(program.header().ranks) + " ranks, and "
        + std::to_string(ranks_) + " are running");
    const uint64_t own = program.header().checksum;
    uint64_t least = 0, most = 0;
    MPI_Allreduce(&own, &least, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&own, &most, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    if (least != most) throw PlanError(path + ": not all ranks have read the same plan");
  }

  void call(Interpreter& interpreter) const {
    if (options_.fail_rank == rank_
        && options_.fail_call == static_cast<long>(interpreter.calls()))
      raise(SIGKILL);
    interpreter.call();
  }

  // The checks use every succession of call bodies, on ranks that begin at different times.
  Sample measure(const Program& program, Memory& memory, const std::string& path) const {
    std::memset(memory.own(), poison, program.memory_bytes());
    std::memset(memory.own() + program.control_offset(), 0, program.control_bytes());
    memory.fence();
    Interpreter interpreter(program, memory, rank_, options_.timeout_seconds);
    Sample sample;
    sample.plan = path;
    sample.launch = "eager";
    std::mt19937 random(static_cast<unsigned>(rank_));
    for (uint64_t i = 0; i <= program.telling_calls(); i++) {
      const bool is_last = i == program.telling_calls();
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
      check(program, memory, interpreter, is_last ? Inputs::real : Inputs::whole, sample);
    }
    Options options = options_;
    double longest = 0;
    memory.fence();
    for (unsigned i = 0; i < std::max(2u, options.warmup); i++) {
      const double start = MPI_Wtime();
      call(interpreter);
      // The last ones are warm.
      longest = MPI_Wtime() - start;
    }
    MPI_Allreduce(MPI_IN_PLACE, &longest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    fit_budget(options, longest);
    sample.iterations = options.iterations;
    for (unsigned batch = 0; batch < options.repeats; batch++) {
      MPI_Barrier(MPI_COMM_WORLD);
      const double start = MPI_Wtime();
      for (unsigned i = 0; i < options.iterations; i++) call(interpreter);
      double period = (MPI_Wtime() - start) / options.iterations * 1e6;
      MPI_Allreduce(MPI_IN_PLACE, &period, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
      sample.periods.push_back(period);
    }
    memory.fence();
    check(program, memory, interpreter, Inputs::whole, sample);
    MPI_Allreduce(MPI_IN_PLACE, &sample.wrong, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(MPI_IN_PLACE, &sample.checked, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    memory.fence();
    return sample;
  }

  // One call on fresh numbers, and how many of its results are wrong.
  void check(
    const Program& program, Memory& memory, Interpreter& interpreter, Inputs inputs,
    Sample& sample) const {
    const Caller caller(program, static_cast<uint32_t>(rank_));
    const uint64_t number = interpreter.calls();
    caller.fill(memory.own(), inputs, number);
    call(interpreter);
    const size_t count = caller.result_count();
    constexpr size_t piece = 1 << 18;
    std::vector<Expected> expected(std::min(count, piece));
    for (size_t first = 0; first < count; first += piece) {
      const size_t length = std::min(piece, count - first);
      if (caller.expects_alike()) {
        share(caller, expected.data(), first, length, inputs, number);
      } else {
        caller.expect(expected.data(), first, length, inputs, number);
      }
      sample.wrong += caller.wrong(memory.own(), expected.data(), first, length, inputs);
    }
    sample.checked += count;
    MPI_Barrier(MPI_COMM_WORLD);
  }

  // Where all ranks expect the same, each computes a part.
  void share(
    const Caller& caller, Expected* out, size_t first, size_t count, Inputs inputs,
    uint64_t number) const {
    std::vector<int> counts(ranks_), starts(ranks_);
    for (int i = 0; i < ranks_; i++) {
      const size_t begin = count * i / ranks_, end = count * (i + 1) / ranks_;
      starts[i] = static_cast<int>(2 * begin);
      counts[i] = static_cast<int>(2 * (end - begin));
    }
    static_assert(sizeof(Expected) == 2 * sizeof(double));
    caller.expect(
      out + starts[rank_] / 2, first + starts[rank_] / 2, counts[rank_] / 2, inputs, number);
    MPI_Allgatherv(
      MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, counts.data(), starts.data(), MPI_DOUBLE,
      MPI_COMM_WORLD);
  }

  const Options& options_;
  int rank_ = 0;
  int ranks_ = 0;
};

}  // namespace
}  // namespace weft

int main(int count, char** words) {
  // A rank whose launcher is gone has nobody to report to.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  MPI_Init(&count, &words);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  int status = weft::done;
  const auto say = [&](const std::exception& error) {
    std::fprintf(stderr, "weft-runtime-mpi: error: %s\n", error.what());
  };
  try {
    const weft::Options options = weft::Options::parse(count, words);
    if (!options.others.empty())
      throw weft::UsageError("there is no flag " + options.others.front());
    status = weft::Runner(options).run();
  } catch (const weft::UsageError& error) {
    status = weft::wrong_usage;
    if (rank == 0) say(error);
  } catch (const weft::PlanError& error) {
    status = weft::bad_plan;
    if (rank == 0) say(error);
  } catch (const weft::Stuck& error) {
    say(error);
    // The others are about to say the same of themselves.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    MPI_Abort(MPI_COMM_WORLD, weft::unavailable);
  } catch (const std::exception& error) {
    say(error);
    MPI_Abort(MPI_COMM_WORLD, weft::unavailable);
  }
  MPI_Finalize();
  return status;
}
