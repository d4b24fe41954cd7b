// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of apply, cat and info share: diffs in the test's directory.
#ifndef NBDSTREAM_TESTS_SUPPORT_RESTORE_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_RESTORE_TEST_HPP

#include "support/diff_stream.hpp"
#include "support/integration_test.hpp"

#include <algorithm>

namespace nbdstream::test {

class restore_test : public integration_test {
 protected:
  restore_test() {
    write_file(path("full"), full_.whole());
    write_file(path("monday"), monday_.whole());
    write_file(path("tuesday"), tuesday_.whole());
  }

  /// The one line of a subcommand that ends with `status`.
  std::string line_of(int status, const arguments& args, process::options how = {}) const {
    const result ended = nbdstream(args, std::move(how));
    EXPECT_TRUE(ended_with(status, ended));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_TRUE(ended.err.starts_with("nbdstream: ")) << ended.err;
    return ended.err;
  }

  static constexpr std::uint64_t size = 100'000;
  const diff_stream full_ = [] {
    return diff_stream({std::nullopt, "sunday", size})
        .data(60'000, pattern(30'000, 1))
        .data(0, pattern(5'000, 2))
        .zeroes(70'000, 8'192);
  }();
  const diff_stream monday_ = [this] {
    return diff_stream({"sunday", "monday", size}, full_.disk())
        .data(4'000, pattern(3'000, 3))
        .zeroes(60'000, 100)
        .data(size - 1, "m");
  }();
  const diff_stream tuesday_ = [this] {
    return diff_stream({"monday", "tuesday", size}, monday_.disk()).data(1, "t").zeroes(0, 1);
  }();
};

}  // namespace nbdstream::test
#endif
