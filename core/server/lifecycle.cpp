// SPDX-License-Identifier: BSD-3-Clause
#include "server/lifecycle.hpp"

#include <fmt/format.h>

namespace nbdstream {

void lifecycle::joined() noexcept {
  ++writers_;
  if (state_ == state::candidate) state_ = state::open;
}

void lifecycle::left(departure how, std::string_view who) {
  --writers_;
  if (how == departure::torn) {
    fail(fmt::format("{} went away inside a request", who));
  } else if (!vouched_ && how == departure::dropped) {
    fail(
        fmt::format("{} wrote and went away without NBD_CMD_DISC; a client that never says it "
                    "needs --run, whose exit status then tells",
                    who));
  } else if (!vouched_ && writers_ == 0 && state_ == state::open) {
    state_ = state::candidate;
  }
}

void lifecycle::vouch() noexcept {
  if (state_ == state::open) state_ = state::candidate;
}

void lifecycle::fail(std::string_view reason) {
  if (state_ == state::failed) return;
  state_ = state::failed;
  reason_ = reason;
}

}  // namespace nbdstream
