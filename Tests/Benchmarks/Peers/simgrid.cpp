// The benchmarks' problems on SimGrid, whose flows share links max-min fairly, as Weft's do.
//
// usage: simgrid-peer ring|recursive-doubling|shared-nic RANKS BYTES
//
// Prints the simulated time in microseconds, the CPU time in seconds and the peak memory in MiB.
// Nodes on one ideal switch, 25 GB/s each way and 2 us from end to end; shared-nic has four ranks
// on a node and its NIC, 150 GB/s and 1 us between them.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>
#include <xbt/log.h>

namespace sg4 = simgrid::s4u;

namespace {

constexpr double kNetworkRate = 25e9, kNetworkLatency = 2e-6;
constexpr double kNodeRate = 150e9, kNodeLatency = 1e-6;

double finish = 0;

sg4::Link *link(sg4::NetZone *zone, const std::string &name, double rate, double latency) {
  return zone->create_link(name, rate)->set_latency(latency)->seal();
}

// A host per rank, each with a link out and a link in.
std::vector<sg4::Host *> flat(int ranks) {
  auto *zone = sg4::create_star_zone("flat");
  std::vector<sg4::Host *> hosts;
  for (int rank = 0; rank < ranks; rank++) {
    auto name = std::to_string(rank);
    auto *host = zone->create_host(name, 1e9)->seal();
    auto *out = link(zone, "out" + name, kNetworkRate, kNetworkLatency / 2);
    auto *in = link(zone, "in" + name, kNetworkRate, kNetworkLatency / 2);
    zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr, {sg4::LinkInRoute(out)},
                    false);
    zone->add_route(nullptr, host->get_netpoint(), nullptr, nullptr, {sg4::LinkInRoute(in)},
                    false);
    hosts.push_back(host);
  }
  zone->seal();
  return hosts;
}

// Four hosts to a node; between nodes a message crosses the two NICs and nothing else.
std::vector<sg4::Host *> sharedNICs(int ranks) {
  auto *zone = sg4::create_full_zone("shared");
  std::vector<sg4::Host *> hosts;
  std::vector<sg4::Link *> out, in, nicOut, nicIn;
  for (int rank = 0; rank < ranks; rank++) {
    auto name = std::to_string(rank);
    hosts.push_back(zone->create_host(name, 1e9)->seal());
    out.push_back(link(zone, "out" + name, kNodeRate, kNodeLatency / 2));
    in.push_back(link(zone, "in" + name, kNodeRate, kNodeLatency / 2));
    if (rank % 4 > 0) continue;
    nicOut.push_back(link(zone, "nic-out" + name, kNetworkRate, kNetworkLatency / 2));
    nicIn.push_back(link(zone, "nic-in" + name, kNetworkRate, kNetworkLatency / 2));
  }
  for (int from = 0; from < ranks; from++) {
    for (int to = 0; to < ranks; to++) {
      if (from == to) continue;
      bool inside = from / 4 == to / 4;
      auto *first = inside ? out[from] : nicOut[from / 4];
      auto *last = inside ? in[to] : nicIn[to / 4];
      zone->add_route(hosts[from]->get_netpoint(), hosts[to]->get_netpoint(), nullptr, nullptr,
                      {sg4::LinkInRoute(first), sg4::LinkInRoute(last)}, false);
    }
  }
  zone->seal();
  return hosts;
}

// Sends to one peer while it receives from another; a message needs no receiver to set out.
void exchange(const std::string &to, const std::string &from, double bytes) {
  static int payload;
  auto sent = sg4::Mailbox::by_name(to)->put_async(&payload, static_cast<uint64_t>(bytes));
  sg4::Mailbox::by_name(from)->get<int>();
  sent->wait();
}

void ring(int rank, int ranks, double bytes) {
  auto mine = std::to_string(rank), next = std::to_string((rank + 1) % ranks);
  sg4::Mailbox::by_name(mine)->set_receiver(sg4::Actor::self());
  for (int step = 0; step < 2 * (ranks - 1); step++) exchange(next, mine, bytes / ranks);
  finish = std::max(finish, sg4::Engine::get_clock());
}

void recursiveDoubling(int rank, int ranks, double bytes) {
  auto box = [](int owner, int distance) {
    return std::to_string(owner) + "-" + std::to_string(distance);
  };
  for (int distance = 1; distance < ranks; distance *= 2)
    sg4::Mailbox::by_name(box(rank, distance))->set_receiver(sg4::Actor::self());
  for (int distance = 1; distance < ranks; distance *= 2)
    exchange(box(rank ^ distance, distance), box(rank, distance), bytes);
  finish = std::max(finish, sg4::Engine::get_clock());
}

}  // namespace

int main(int argc, char **argv) {
  xbt_log_control_set("xbt_cfg.thresh:warning");
  // Links alone: no factors for TCP, no share for acknowledgements, no limit by a window.
  sg4::Engine engine(&argc, argv);
  sg4::Engine::set_config("network/model:CM02");
  sg4::Engine::set_config("network/crosstraffic:0");
  sg4::Engine::set_config("network/weight-S:0");
  sg4::Engine::set_config("network/TCP-gamma:0");
  sg4::Engine::set_config("contexts/stack-size:32");
  sg4::Engine::set_config("contexts/guard-size:0");
  if (argc != 4) {
    std::fprintf(stderr, "usage: simgrid-peer ring|recursive-doubling|shared-nic RANKS BYTES\n");
    return 64;
  }
  std::string problem = argv[1];
  int ranks = std::atoi(argv[2]);
  double bytes = std::atof(argv[3]);
  auto hosts = problem == "shared-nic" ? sharedNICs(ranks) : flat(ranks);
  auto body = problem == "ring" ? ring : recursiveDoubling;
  for (int rank = 0; rank < ranks; rank++)
    sg4::Actor::create("rank", hosts[rank], body, rank, ranks, bytes);
  engine.run();
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double seconds = usage.ru_utime.tv_sec + usage.ru_utime.tv_usec * 1e-6 +
                   usage.ru_stime.tv_sec + usage.ru_stime.tv_usec * 1e-6;
  std::printf("%.6f %.3f %ld\n", finish * 1e6, seconds, usage.ru_maxrss / 1024);
  return 0;
}
