// SPDX-License-Identifier: BSD-3-Clause
//
// Ten thousand scripts a run. NBDSTREAM_SEED=N begins with the script that a run has reported.
#include "sequencer_run.hpp"
#include "session_run.hpp"
#include "shrink.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

// Of the sanitizers, where there are any. NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace nbdstream::test {
namespace {

using stream::order;

constexpr std::size_t most_ops = 18;  // of one script

std::uint32_t first_seed() {
  const char* const chosen = std::getenv("NBDSTREAM_SEED");
  return chosen ? static_cast<std::uint32_t>(std::strtoul(chosen, nullptr, 10))
                : std::random_device{}();
}

/// The seed of the script that runs, in case it does not return.
std::uint32_t current_seed = 0;

void name_culprit() {
  std::fprintf(stderr, "it happened in seed %u\n", current_seed);
}

/// The thread sanitizer makes everything slow, and all of this runs in one thread.
#ifdef __SANITIZE_THREAD__
constexpr int share = 4;
#else
constexpr int share = 1;
#endif

/// Runs `count / share` scripts that `make` generates.
template <class Make>
void play(int count, const runner& run, Make make) {
  auto& seed = current_seed;
  seed = first_seed();
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(name_culprit);
  std::printf("first seed %u\n", seed);
  std::fflush(stdout);
  for (int i = 0; i < count / share; ++i, ++seed) {
    random_choices from(seed);
    const script s = make(from);
    if (!run(s).empty()) {
      FAIL() << "seed " << seed << ": " << report(s, run);
    }
  }
}

/// The same with scripts of any kind, changed by `adapt`.
template <class Adapt>
void play(int count, order mode, const runner& run, Adapt adapt) {
  play(count, run, [mode, adapt](choices& from) {
    auto s = make_script(from, mode, most_ops);
    adapt(s);
    return s;
  });
}

void as_it_is(script&) {}

TEST(RandomSessions, StrictOrderEqualsModel) {
  play(1500, order::strict, run_sessions, as_it_is);
}

/// A request that is refused after its payload has arrived may wait for room first, and fail for
/// that.
void clean(script& s) {
  for (auto& o : s.ops) o.dirty = false;
}

TEST(RandomSessions, WindowWithSkippedGapsEqualsModel) {
  play(3000, order::window, run_sessions, [](script& s) {
    s.patient = false;
    if (s.refuse_gaps) clean(s);
  });
}

TEST(RandomSessions, WindowWithFilledGapsEqualsModel) {
  play(2500, order::window, run_sessions, [](script& s) {
    s.patient = true;
    clean(s);
  });
}

TEST(RandomSessions, SpillEqualsModel) {
  play(2000, order::spill, run_sessions, as_it_is);
}

TEST(RandomSessions, SpoolEqualsModel) {
  play(1000, order::spool, run_sessions, as_it_is);
}

/// Large payloads over each data path.
class LargePayloads : public ::testing::TestWithParam<data_path> {};

INSTANTIATE_TEST_SUITE_P(DataPaths, LargePayloads, ::testing::ValuesIn(all_paths), name_of);

TEST_P(LargePayloads, EqualModelInEachOrder) {
  const auto run = [](const script& s) { return run_large_sessions(s, GetParam()); };
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    play(100, mode, run, [](script& s) {
      if (s.size) s.size = s.reach();
      clean(s);
    });
  }
}

TEST(ClearedDisk, IsCommittedOnlyIfModelProvesIt) {
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    play(150, run_sessions, [mode](choices& from) { return make_copy(from, mode); });
  }
}

// The sequencer alone is fast, so it runs as many scripts again.
TEST(RandomSequencerScripts, EqualModelInEachOrder) {
  for (const auto mode : {order::strict, order::window, order::spill, order::spool}) {
    play(2500, mode, run_sequencer, as_it_is);
  }
}

}  // namespace
}  // namespace nbdstream::test
