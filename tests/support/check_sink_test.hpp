// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of --check-sink share.
#ifndef NBDSTREAM_TESTS_SUPPORT_CHECK_SINK_TEST_HPP
#define NBDSTREAM_TESTS_SUPPORT_CHECK_SINK_TEST_HPP

#include "support/integration_test.hpp"

#include <algorithm>
#include <ostream>
#include <sstream>

namespace nbdstream::test {

/// For calls that do not return: how long to wait for them.
inline const arguments soon{"--grace", "250ms"};

/// A check that nearly everything can fail.
inline const std::string any_sizes = "takes a stream in pieces of odd sizes";

inline std::string module(const std::string& name) {
  return test_modules + "/" + name + ".so";
}

class CheckSink : public integration_test {
 protected:
  result checked(const std::string& sink, const arguments& more = {},
                 const process::options& how = {}) {
    arguments args{"--check-sink", sink};
    args.insert(args.end(), more.begin(), more.end());
    // Twenty processes one after another, each of which loads the module.
    return start_nbdstream(args, how).wait(3 * patience);
  }

  /// What is said about the check `name`: its own line, and those that say why.
  static std::string about(const std::string& name, const result& r) {
    const auto at = r.out.find(" - " + name);
    if (at == r.out.npos) return "no check \"" + name + "\" in:\n" + r.out;
    const auto begin = r.out.rfind('\n', at) + 1;
    auto end = r.out.find('\n', at) + 1;
    while (r.out.compare(end, 4, "#   ") == 0) end = r.out.find('\n', end) + 1;
    return r.out.substr(begin, end - begin);
  }

  static int failures(const result& r) {
    std::istringstream lines(r.out);
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line.starts_with("not ok ");
    return count;
  }
};

/// What is wrong with a module, which check fails for it, and what that says.
struct fault {
  std::string name;
  std::string check;
  std::string said;
  arguments settings{};

  friend std::ostream& operator<<(std::ostream& out, const fault& f) { return out << f.name; }
};

inline std::string name_of(const ::testing::TestParamInfo<fault>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace nbdstream::test
#endif
