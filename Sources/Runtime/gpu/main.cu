// weft-runtime-cuda and weft-runtime-nvshmem: run plans on GPUs, check every result, and measure.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "measure.hpp"
#include "options.hpp"
#include "plan.hpp"

namespace weft::gpu {
namespace {

enum Status { done = 0, wrong_results = 1, wrong_usage = 64, bad_plan = 65, unavailable = 69 };

struct Command {
  Options options;
  DeviceOptions device;
  std::string bootstrap = "weft-nvshmem-id";
  int processes = 0;
  bool probes = false;
};

// Takes the flags of this backend out and leaves the rest to the common options.
Command parse(int count, char** words) {
  Command command;
  std::vector<char*> rest = {words[0]};
  for (int i = 1; i < count; i++) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == count) throw UsageError(word + " needs a value");
      return words[++i];
    };
    if (word == "--launch") {
      command.device.launches.clear();
      std::istringstream list(value());
      for (std::string item; std::getline(list, item, ',');) {
        const bool splits = item.size() > 6 && item.substr(item.size() - 6) == "-split";
        const std::string way = splits ? item.substr(0, item.size() - 6) : item;
        if (way != "graph" && way != "eager" && (way != "persistent" || splits))
          throw UsageError("--launch '" + item + "' is not graph, eager or persistent");
        command.device.launches.push_back(item);
      }
    } else if (word == "--protocol") {
      command.device.protocol = value();
      if (
        command.device.protocol != "auto" && command.device.protocol != "simple"
        && command.device.protocol != "ll" && command.device.protocol != "ll128")
        throw UsageError(
          "--protocol '" + command.device.protocol + "' is not auto, simple, ll or ll128");
    } else if (word == "--threads") {
      command.device.threads = std::atoi(value().c_str());
      const int threads = command.device.threads;
      if (threads < 32 || threads > most_threads || threads % 32 != 0)
        throw UsageError(
          "--threads is not a multiple of 32 up to " + std::to_string(most_threads));
    } else if (word == "--bootstrap") {
      command.bootstrap = value();
    } else if (word == "--processes") {
      command.processes = std::atoi(value().c_str());
      if (command.processes < 1 || command.processes > 1024)
        throw UsageError("--processes is not 1 to 1024");
    } else if (word == "--checks-only") {
      command.device.checks_only = true;
    } else if (word == "--probe") {
      command.probes = true;
    } else {
      rest.push_back(words[i]);
    }
  }
  static char probe[] = "--probe";
  if (command.probes) rest.push_back(probe);
  command.options = Options::parse(static_cast<int>(rest.size()), rest.data());
  for (const std::string& other : command.options.others)
    if (other != "--probe") throw UsageError("there is no flag " + other);
  return command;
}

// Starts a process for each rank on this host; when one dies, the others are ended.
int start_processes(const Command& command) {
  std::vector<pid_t> children;
  int status = done;
  for (int rank = 0; rank < command.processes; rank++) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const std::string number = std::to_string(rank);
      setenv("WEFT_RANK", number.c_str(), 1);
      setenv("WEFT_LOCAL_RANK", number.c_str(), 1);
      setenv("WEFT_RANKS", std::to_string(command.processes).c_str(), 1);
      return -1;
    }
    children.push_back(child);
  }
  for (size_t left = children.size(); left > 0; left--) {
    int result = 0;
    const pid_t child = waitpid(-1, &result, 0);
    const int code = WIFEXITED(result) ? WEXITSTATUS(result) : unavailable;
    if (code == done || status != done) continue;
    status = code;
    if (WIFSIGNALED(result))
      std::fprintf(
        stderr, "weft-runtime: error: process %d died of signal %d\n", child, WTERMSIG(result));
    if (code != wrong_results)
      for (const pid_t other : children)
        if (other != child) kill(other, SIGKILL);
  }
  return status;
}

int run(const Command& command) {
#ifdef WEFT_NVSHMEM
  const std::unique_ptr<Ranks> ranks =
    ranks_of_nvshmem(command.bootstrap, command.options.transport);
#else
  const std::unique_ptr<Ranks> ranks = ranks_of_one_gpu();
#endif
  if (command.probes) probe(command.options, *ranks);
  if (command.options.plans.empty()) return done;
  const std::vector<Sample> samples = measure(command.options, command.device, *ranks);
  if (ranks->first() == 0) write_samples(command.options, samples);
  for (const Sample& sample : samples)
    if (sample.wrong > 0) return wrong_results;
  return done;
}

}  // namespace
}  // namespace weft::gpu

int main(int count, char** words) {
  using namespace weft::gpu;
  const auto say = [](const std::exception& error) {
    std::fprintf(stderr, "weft-runtime: error: %s\n", error.what());
  };
  try {
    const Command command = parse(count, words);
    if (command.processes > 0) {
      const int status = start_processes(command);
      // The processes themselves come by here with -1.
      if (status >= 0) return status;
    }
    return run(command);
  } catch (const weft::UsageError& error) {
    say(error);
    return wrong_usage;
  } catch (const weft::PlanError& error) {
    say(error);
    return bad_plan;
  } catch (const std::exception& error) {
    say(error);
    // Destructors of a broken device may hang; the driver frees what the process leaves.
    std::fflush(nullptr);
    _exit(unavailable);
  }
}
