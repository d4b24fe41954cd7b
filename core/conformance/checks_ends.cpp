// SPDX-License-Identifier: BSD-3-Clause
//
// Streams that end other than by a commit at the first call.
#include "conformance/checks.hpp"
#include "conformance/failing_system.hpp"

#include <cerrno>

namespace nbdstream::conformance {
namespace {

using namespace std::chrono_literals;

/// As soon as the call begins: a module must cope with that, too.
constexpr manner interrupted_at_once{.once = true, .interrupted = 0s};

/// After an abort: another stream, if the sink is for several, and the end.
void go_on(const bench& b, subject& s) {
  if (!b.one_stream()) {
    s.open();
    s.write(1000);
    s.commit();
  }
  s.destroy();
}

bool blocks(const bench& b, nbdstream_sink_blocking phase) {
  if ((b.table().blocking & static_cast<std::uint32_t>(phase)) != 0) return true;
  b.leave_out("the module does not say that it blocks there");
  return false;
}

}  // namespace

void check_abort_after_open(bench& b) {
  subject& s = b.created();
  s.open();
  s.abort();
  go_on(b, s);
}

void check_abort_after_data(bench& b) {
  subject& s = b.created();
  s.open();
  s.write(1000);
  s.zero(1000);
  s.write(1);
  s.abort();
  go_on(b, s);
}

void check_abort_instead_of_open(bench& b) {
  subject& s = b.created();
  const auto result = s.try_open({.once = true});
  if (result != -EAGAIN) b.leave_out("open did not say so");
  s.abort();
  go_on(b, s);
}

void check_abort_instead_of_commit(bench& b) {
  subject& s = b.created();
  s.open();
  if (b.one_stream()) b.tell_reader(kind::reader_pauses);
  s.write(1000);
  const auto result = s.try_commit({.once = true});
  if (result != -EAGAIN) b.leave_out("commit did not say so");
  if (s.is_open()) s.abort();
  go_on(b, s);
}

void check_failed_commit(bench& b) {
  subject& s = b.created();
  s.open();
  s.write(1000);
  if (!make_commits_fail()) return b.leave_out("no call can be made to fail on this system");
  (void)s.try_commit({});
  if (!s.is_open()) {
    b.leave_out("commit neither syncs nor renames: nothing of it could be made to fail");
    return s.destroy();
  }
  s.abort();
  if (!b.one_stream()) {
    s.open();
    s.abort();
  }
  s.destroy();
}

void check_reader_that_leaves(bench& b) {
  if (!b.one_stream()) return b.leave_out("only standard output has a reader that we know");
  subject& s = b.created();
  s.open();
  b.tell_reader(kind::reader_pauses);
  s.write(1000);
  auto result = s.try_commit({.once = true});
  if (result == -EAGAIN) {
    b.tell_reader(kind::reader_leaves);
    result = s.try_commit({});
  }
  if (result >= 0)
    s.complain("commit said that the stream is complete, and its reader has read nothing of it",
               contract::commit_is_final);
  if (s.is_open()) s.abort();
  s.destroy();
}

void check_interrupted_open(bench& b) {
  if (!blocks(b, NBDSTREAM_BLOCKING_OPEN)) return;
  subject& s = b.created();
  (void)s.try_open(interrupted_at_once);
  s.abort();
  go_on(b, s);
}

void check_interrupted_write(bench& b) {
  if (!blocks(b, NBDSTREAM_BLOCKING_WRITE)) return;
  subject& s = b.created();
  s.open();
  if (!s.lends()) {
    (void)s.try_write(64 << 10, interrupted_at_once);
  } else if (b.table().flush) {
    (void)s.try_flush(interrupted_at_once);
  } else if (b.table().zero) {
    (void)s.try_zero(64 << 10, interrupted_at_once);
  }
  s.abort();
  go_on(b, s);
}

void check_interrupted_commit(bench& b) {
  if (!blocks(b, NBDSTREAM_BLOCKING_FINISH)) return;
  subject& s = b.created();
  s.open();
  s.write(64 << 10);
  (void)s.try_commit(interrupted_at_once);
  if (s.is_open()) s.abort();
  go_on(b, s);
}

}  // namespace nbdstream::conformance
