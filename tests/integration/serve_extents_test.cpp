// SPDX-License-Identifier: BSD-3-Clause
//
// The holes of `nbdstream serve`, as clients see them.
#include "support/serve_test.hpp"

namespace nbdstream::test {
namespace {

using ServeExtents = serve_test;

TEST_F(ServeExtents, NbdcopyAndQemuImgCopyWholeDiff) {
  std::mt19937 random(3);
  const auto byte_sized = random_diff(random, "", 1 * MiB, {}, "a", 20);
  const auto one = diff_stream({{}, "a", 1 * MiB}).data(65'836, pattern(1'000, 7));
  for (const auto* diff : {&one, &byte_sized}) {
    write_file(path("diff"), diff->whole());
    write_file(path("disk"), diff->disk());
    expect_served({"diff"}, "disk");
    EXPECT_TRUE(ended_with(
        0, serve({"diff"}, R"(qemu-img convert -f raw "$uri" -O raw copy && cmp copy disk)")));
  }
}

TEST_F(ServeExtents, EndAtSizeThatIsNotMultipleOfSector) {
  constexpr std::uint64_t odd = 1 * MiB + 100;
  const auto diff = diff_stream({{}, "a", odd}).data(0, pattern(1'000, 7));
  write_file(path("diff"), diff.whole());
  EXPECT_TRUE(ended_with(0, serve({"diff"}, R"(nbdinfo --map "$uri" > map)")));
  EXPECT_TRUE(mentions(read_file(path("map")), "1047652    3  hole,zero"));
}

}  // namespace
}  // namespace nbdstream::test
