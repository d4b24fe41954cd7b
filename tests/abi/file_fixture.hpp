// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `file` in a directory of the test's own.
#ifndef NBDSTREAM_TESTS_ABI_FILE_FIXTURE_HPP
#define NBDSTREAM_TESTS_ABI_FILE_FIXTURE_HPP

#include <gtest/gtest.h>

#include "host.hpp"
#include "surroundings.hpp"

namespace sink_tests {

using names = std::vector<std::string>;

struct file_fixture : ::testing::Test {
  directory here;
  const std::string path = here / "disk.raw";
  const std::string module = in_tree_sink("file");

  [[nodiscard]] settings with(settings more) const {
    more.insert({"path", path});
    return more;
  }
};

}  // namespace sink_tests

#endif
