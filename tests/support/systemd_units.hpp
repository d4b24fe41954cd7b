// SPDX-License-Identifier: BSD-3-Clause
//
// Units for systemd as texts, for tests without a running systemd.
#ifndef NBDSTREAM_TESTS_SUPPORT_SYSTEMD_UNITS_HPP
#define NBDSTREAM_TESTS_SUPPORT_SYSTEMD_UNITS_HPP

#include <gtest/gtest.h>

#include <string>

namespace nbdstream::test {

/// The first `what` becomes `by`; the test fails where there is none.
inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return at == text.npos ? text : text.replace(at, what.size(), by);
}

/// Of a unit that names the program where it will be installed.
inline std::string with_the_program_of_this_build(const std::string& unit) {
  const bool names_it = unit.find(NBDSTREAM_INSTALL_BINDIR) != unit.npos;
  return names_it ? replaced(unit, NBDSTREAM_INSTALL_BINDIR, NBDSTREAM_BIN) : unit;
}

/// Of the assignment `name=` in a unit.
inline std::string value_of(const std::string& name, const std::string& unit) {
  const auto begin = unit.find('\n' + name + '=') + name.size() + 2;
  return unit.substr(begin, unit.find('\n', begin) - begin);
}

}  // namespace nbdstream::test
#endif
