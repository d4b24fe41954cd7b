// SPDX-License-Identifier: BSD-3-Clause
//
// The commands to an export: commit, or abort.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_TELLING_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_TELLING_HPP

#include "rig.hpp"

#include <optional>

namespace nbdstream::test {

/// Something told, and its answer once there is one.
struct telling {
  std::optional<nbd_export::told> answer;
  bool done = false;
};
inline awaitable<void> commit_into(nbd_export& e, telling& t) {
  t.answer = co_await e.commit();
}
inline awaitable<void> abort_into(nbd_export& e, telling& t) {
  auto aborting = e.abort("the job failed");
  t.answer = co_await std::move(aborting);
}
inline void begin_commit(rig& r, telling& t) {
  spawn(r.loop, commit_into(r.exported, t), &t.done);
  r.settle();
}
inline void begin_abort(rig& r, telling& t) {
  spawn(r.loop, abort_into(r.exported, t), &t.done);
  r.settle();
}
/// The answers that come without waiting for anything.
inline nbd_export::told commit(rig& r) {
  telling t;
  begin_commit(r, t);
  EXPECT_TRUE(t.done) << "it waits";
  return t.answer.value_or(nbd_export::told());
}
inline nbd_export::told abort(rig& r) {
  telling t;
  begin_abort(r, t);
  EXPECT_TRUE(t.done) << "it waits";
  return t.answer.value_or(nbd_export::told());
}

}  // namespace nbdstream::test
#endif
