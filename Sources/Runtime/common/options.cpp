#include "options.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace weft {
namespace {

double number(const std::string& flag, const std::string& text, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= least && value <= most)) {
    std::ostringstream problem;
    problem << flag << " '" << text << "' is not " << least << " to " << most;
    throw UsageError(problem.str());
  }
  return value;
}

// The value below which a share of the sorted ones lies, between the two nearest.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

Options Options::parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; i++) {
    const std::string word = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == count) throw UsageError(word + " needs a value");
      return words[++i];
    };
    if (word == "--output") {
      options.output = value();
    } else if (word == "--warmup") {
      options.warmup = static_cast<unsigned>(number(word, value(), 0, 1e6));
    } else if (word == "--iterations") {
      options.iterations = static_cast<unsigned>(number(word, value(), 1, 1e6));
    } else if (word == "--repeats") {
      options.repeats = static_cast<unsigned>(number(word, value(), 1, 1e6));
    } else if (word == "--budget") {
      options.budget_seconds = number(word, value(), 0.001, 1e6);
    } else if (word == "--timeout") {
      options.timeout_seconds = number(word, value(), 0.1, 1e6);
    } else if (word == "--fail-rank") {
      options.fail_rank = static_cast<long>(number(word, value(), 0, 1e6));
    } else if (word == "--fail-call") {
      options.fail_call = static_cast<long>(number(word, value(), 0, 1e6));
    } else if (word == "--transport") {
      options.transport = value();
      if (options.transport != "auto" && options.transport != "shared" && options.transport != "rma")
        throw UsageError("--transport '" + options.transport + "' is not auto, shared or rma");
    } else if (word.rfind("--", 0) == 0) {
      options.others.push_back(word);
    } else {
      options.plans.push_back(word);
    }
  }
  if (options.plans.empty() && options.others.empty())
    throw UsageError("there is no plan to run; weft schedule export --format plan writes one");
  return options;
}

void fit_budget(Options& options, double seconds_per_call) {
  const double calls = std::max(1.0, options.budget_seconds / std::max(seconds_per_call, 1e-9));
  // At least three batches, to tell a disturbed one from the others.
  if (options.iterations * static_cast<double>(options.repeats) > calls)
    options.iterations = static_cast<unsigned>(
      std::clamp(calls / options.repeats, 2.0, static_cast<double>(options.iterations)));
  if (options.iterations * static_cast<double>(options.repeats) > calls)
    options.repeats = static_cast<unsigned>(
      std::clamp(calls / options.iterations, 3.0, static_cast<double>(options.repeats)));
}

void write_samples(const Options& options, const std::vector<Sample>& samples) {
  std::ostringstream text;
  text << "plan,launch,wrong,checked,iterations,repeats,time_us,p05_us,p95_us,least_us,version\n";
  for (const Sample& sample : samples) {
    std::vector<double> sorted = sample.periods;
    std::sort(sorted.begin(), sorted.end());
    char times[160];
    std::snprintf(
      times, sizeof times, "%.3f,%.3f,%.3f,%.3f", percentile(sorted, 0.5), percentile(sorted, 0.05),
      percentile(sorted, 0.95), sorted.front());
    text << sample.plan << ',' << sample.launch << ',' << sample.wrong << ',' << sample.checked << ','
         << sample.iterations << ',' << sorted.size() << ',' << times << ',' << sample.version << '\n';
  }
  if (options.output.empty()) {
    std::fputs(text.str().c_str(), stdout);
    return;
  }
  const std::string part = options.output + ".part";
  std::ofstream file(part);
  file << text.str();
  file.close();
  if (!file || std::rename(part.c_str(), options.output.c_str()) != 0)
    throw std::runtime_error("cannot write " + options.output);
}

}  // namespace weft
