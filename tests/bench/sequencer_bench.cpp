// SPDX-License-Identifier: BSD-3-Clause
//
// What the sequencer costs a request, with so many extents held already. README.md tells more.
#include "stream/sequencer.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <random>

namespace {

using namespace nbdstream::stream;
using place = placement::place;

constexpr std::uint64_t block_size = 4096;         // bytes of a write
constexpr std::uint64_t far_ahead = 1ULL << 50;    // where what is held stands
constexpr std::uint64_t spacing = 4 * block_size;  // from one held extent to the next
constexpr std::uint64_t small = 16;                // bytes of a write whose memory does not matter

sequencer::limits endless() {
  sequencer::limits l;
  l.mode = order::window;
  l.window = ~std::uint64_t{0} / 2;
  return l;
}

/// One that is not as it should be would measure something else.
placement taken(result<placement> r, place where) {
  if (!r || r->where != where) std::abort();
  return *std::move(r);
}

void hold(sequencer& s, std::uint64_t offset) {
  s.payload_arrived(taken(s.write(offset, small), place::memory));
}

/// `count` writes far ahead, each `spacing` behind the end of the one before it.
void fill(sequencer& s, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) hold(s, far_ahead + 2 * i * spacing);
}

std::uint64_t held_by(const benchmark::State& state) {
  return static_cast<std::uint64_t>(state.range(0));
}

/// The next write, with `count` held far ahead.
void write_in_order(benchmark::State& state) {
  sequencer s(endless());
  fill(s, held_by(state));
  std::uint64_t at = 0;
  for (auto _ : state) {
    if (!s.at_cursor(at, true)) std::abort();
    benchmark::DoNotOptimize(taken(s.write(at, block_size), place::next));
    at += block_size;
  }
}

/// A new extent of memory at a random place among so many, and its end: neither can be repeated
/// without the other.
void insert_and_erase(benchmark::State& state) {
  const auto count = held_by(state);
  window store(~std::uint64_t{0} / 2);
  extents held;
  const auto insert = [&](std::uint64_t at) {
    held.assign({at, at + small, content::memory, store.allocate(at, small)});
  };
  for (std::uint64_t i = 0; i < count; ++i) insert(2 * i * spacing);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const auto at = (2 * (random() % count) + 1) * spacing;
    insert(at);
    held.erase(at, at + small);
  }
}

/// A write of the same bytes once more: it replaces what is held there.
void hold_again(benchmark::State& state) {
  const auto count = held_by(state);
  sequencer s(endless());
  fill(s, count);
  std::mt19937_64 random(1);
  for (auto _ : state) hold(s, far_ahead + 2 * (random() % count) * spacing);
}

/// Held one block too early, then the block before it, then the held one is sent: a pair of writes
/// that came in the wrong order.
void swapped_pair(benchmark::State& state) {
  sequencer s(endless());
  fill(s, held_by(state));
  std::uint64_t at = 0;
  for (auto _ : state) {
    hold(s, at + small);
    taken(s.write(at, small), place::next);
    const auto sent = s.next();
    if (!sent) std::abort();
    benchmark::DoNotOptimize(sent);
    at += 2 * small;
  }
}

/// Zeroes at a random place, over what may be held there, or next to other zeroes.
void hold_zeroes(benchmark::State& state) {
  const auto count = held_by(state);
  sequencer s(endless());
  fill(s, count);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const auto at = far_ahead + (2 * (random() % count) + 1) * spacing;
    taken(s.write_zeroes(at, spacing / 2), place::held_as_zeroes);
  }
}

/// All of `count` writes, held in random order and then sent: a shuffled disk, per write.
void shuffled_disk(benchmark::State& state) {
  const auto count = held_by(state);
  // A power of two and an odd step visit every block once.
  const auto mask = (std::uint64_t{1} << (64 - __builtin_clzll(count - 1))) - 1;
  for (auto _ : state) {
    sequencer s(endless());
    for (std::uint64_t i = 0; i <= mask; ++i) {
      const auto index = i * 0x9e3779b97f4a7c15U & mask;
      if (index > 0) hold(s, index * small);
    }
    taken(s.write(0, small), place::next);
    while (const auto step = s.next()) benchmark::DoNotOptimize(step);
    if (s.cursor() != (mask + 1) * small) std::abort();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(mask + 1) * state.iterations());
}

void sizes(benchmark::internal::Benchmark* of) {
  of->Arg(10)->Arg(1000)->Arg(1'000'000);
}

BENCHMARK(write_in_order)->Apply(sizes);
BENCHMARK(insert_and_erase)->Apply(sizes);
BENCHMARK(hold_again)->Apply(sizes);
BENCHMARK(swapped_pair)->Apply(sizes);
BENCHMARK(hold_zeroes)->Apply(sizes);
BENCHMARK(shuffled_disk)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
