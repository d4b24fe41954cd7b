// SPDX-License-Identifier: BSD-3-Clause
//
// The loader of a host that is newer than the published header: each structure has one more member,
// `future`. The modules that it loads are older, as new, or cut short.
#include "sink/module.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace nbdstream::sink {
namespace {

module load(const std::string& name) {
  return load_module(MODULE_DIRECTORY "/" + name + ".so");
}

constexpr auto set = std::numeric_limits<std::uint64_t>::max();

TEST(NewerLoader, ReadsPublishedModuleAndZeroesMissingMembers) {
  for (const char* name : {"frozen", "recorder"}) {
    const module m = load(name);
    EXPECT_EQ(m.table.abi_minor, name == std::string("frozen") ? 0U : 1U) << name;
    EXPECT_EQ(m.table.future, 0U) << name;
    ASSERT_GE(m.options.size(), 6U) << name;
    for (const auto& option : m.options) EXPECT_EQ(option.future, 0U) << name;
    EXPECT_STREQ(m.options[0].name, "path");
    EXPECT_STREQ(m.options[5].name, name == std::string("frozen") ? "pause" : "again-every");
  }
}

TEST(NewerLoader, ReadsEachMemberOfModule11) {
  const module m = load("frozen_1_1");
  EXPECT_EQ(m.table.abi_minor, 1U);
  EXPECT_NE(m.table.check, nullptr);
  EXPECT_EQ(m.table.future, 0U);
  EXPECT_EQ(load("frozen").table.check, nullptr);
}

TEST(NewerLoader, ReadsEachMemberOfModuleWithSameMinor) {
  const module m = load("newer");
  EXPECT_EQ(m.table.abi_minor, 7U);
  EXPECT_EQ(m.table.future, set);
  ASSERT_EQ(m.options.size(), 2U);
  EXPECT_EQ(m.options[1].future, set);
}

TEST(NewerLoader, DoesNotReadPastEndOfOlderTable) {
  const module m = load("older");
  EXPECT_NE(m.table.abort, nullptr);
  EXPECT_EQ(m.table.interrupt, nullptr);
  EXPECT_EQ(m.table.future, 0U);
}

TEST(NewerLoader, IgnoresMemberThatIsCutInHalf) {
  EXPECT_EQ(load("cut").table.interrupt, nullptr);
}

TEST(NewerLoader, RefusesTableWithoutRequiredMembers) {
  EXPECT_THROW(load("short_table"), load_error);
}

}  // namespace
}  // namespace nbdstream::sink
