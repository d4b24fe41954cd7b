// SPDX-License-Identifier: BSD-3-Clause
#include "server/lifecycle.hpp"

#include <gtest/gtest.h>

#include <string>

namespace nbdstream {
namespace {

using state = lifecycle::state;

/// What may happen, one letter each: j joined; g, d, t left with a goodbye, dropped, torn; v vouch;
/// f fail.
state after(const std::string& events, bool vouched) {
  lifecycle life(vouched);
  for (const char event : events) {
    switch (event) {
      case 'j': life.joined(); break;
      case 'g': life.left(departure::goodbye, "x"); break;
      case 'd': life.left(departure::dropped, "x"); break;
      case 't': life.left(departure::torn, "x"); break;
      case 'v': life.vouch(); break;
      default: life.fail("told to"); break;
    }
  }
  return life.current();
}

struct row {
  const char* events;
  state then;
};

TEST(Lifecycle, WithoutACommandFollowsTheGoodbyes) {
  constexpr row table[] = {
      {"", state::open},          {"j", state::open},      {"jg", state::candidate},
      {"jd", state::failed},      {"jt", state::failed},   {"jjg", state::open},
      {"jjgg", state::candidate}, {"jjgd", state::failed}, {"jjdg", state::failed},
      {"jjtg", state::failed},    {"jgj", state::open},    {"jgjg", state::candidate},
      {"jgjd", state::failed},    {"f", state::failed},    {"jf", state::failed},
      {"jgf", state::failed},     {"jfg", state::failed},  {"jfj", state::failed},
      {"jfjg", state::failed},    {"v", state::candidate}, {"fv", state::failed},
  };
  for (const auto& r : table) EXPECT_EQ(after(r.events, false), r.then) << r.events;
}

TEST(Lifecycle, WithACommandFollowsItsExitStatusAlone) {
  constexpr row table[] = {
      {"jg", state::open},         {"jd", state::open},       {"jt", state::failed},
      {"jgv", state::candidate},   {"jdv", state::candidate}, {"jtv", state::failed},
      {"jjgdv", state::candidate}, {"v", state::candidate},   {"jgf", state::failed},
      {"jgfv", state::failed},     {"jdjt", state::failed},   {"jgvf", state::failed},
  };
  for (const auto& r : table) EXPECT_EQ(after(r.events, true), r.then) << r.events;
}

TEST(Lifecycle, KeepsTheFirstReason) {
  lifecycle life(false);
  life.joined();
  life.fail("first");
  life.fail("second");
  life.left(departure::torn, "somebody");
  EXPECT_EQ(life.reason(), "first");
}

TEST(Lifecycle, NamesWhoWentAwayAndHow) {
  lifecycle torn(true);
  torn.joined();
  torn.left(departure::torn, "connection 7");
  EXPECT_NE(torn.reason().find("connection 7"), std::string::npos);
  EXPECT_NE(torn.reason().find("inside a request"), std::string::npos);

  lifecycle dropped(false);
  dropped.joined();
  dropped.left(departure::dropped, "connection 8");
  EXPECT_NE(dropped.reason().find("connection 8"), std::string::npos);
  EXPECT_NE(dropped.reason().find("--run"), std::string::npos) << "what to do about it";
}

}  // namespace
}  // namespace nbdstream
