// SPDX-License-Identifier: BSD-3-Clause
//
// A script made of the fuzzer's bytes, on the sequencer alone, against a plain array.
#include "property/sequencer_run.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nbdstream;
  if (size == 0) return 0;
  constexpr std::size_t most_ops = 200;
  test::byte_choices from({data, size});
  const auto mode = static_cast<stream::order>(from.below(4));
  const auto s = test::make_script(from, mode, most_ops);
  const auto wrong = test::run_sequencer(s);
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s\n%s", wrong.c_str(), test::to_text(s).c_str());
  std::abort();
}
