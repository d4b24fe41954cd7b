// SPDX-License-Identifier: BSD-3-Clause
#include "protocol/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace nbdstream::protocol {
namespace {

TEST(WireError, IsAWordOfTheProtocolForEveryErrno) {
  const std::map<int, int> words = {
      {0, 0},       {EPERM, 1},   {EACCES, 1}, {EROFS, 1},   {EIO, 5},         {ENOMEM, 12},
      {EINVAL, 22}, {ENOSPC, 28}, {EFBIG, 28}, {EDQUOT, 28}, {ESHUTDOWN, 108},
  };
  for (int number = 0; number <= 4095; ++number) {
    const auto known = words.find(number);
    const int expected = known == words.end() ? 5 : known->second;
    EXPECT_EQ(static_cast<int>(to_wire_error(number)), expected) << number;
  }
}

TEST(WireError, IsAnIoErrorForWhatIsNoErrno) {
  for (const int number : {-1, -EINVAL, 4096, 1 << 30}) {
    EXPECT_EQ(to_wire_error(number), wire_error::io) << number;
  }
}

TEST(WireError, HasATextThatCanBeSent) {
  EXPECT_EQ(text_of(wire_error::none), "");
  for (const auto e :
       {wire_error::perm, wire_error::io, wire_error::nomem, wire_error::inval, wire_error::nospc,
        wire_error::overflow, wire_error::notsup, wire_error::shutdown}) {
    EXPECT_FALSE(text_of(e).empty());
    EXPECT_LE(text_of(e).size(), max_string);
  }
}

}  // namespace
}  // namespace nbdstream::protocol
