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
constexpr call_mode interrupted_at_once{.once = true, .interrupted = 0s};

/// After an abort: another stream, if the sink is for several, and the end.
void go_on(const fixture& f, subject& s) {
  if (!f.one_stream()) {
    s.open();
    s.write(1000);
    s.commit();
  }
  s.destroy();
}

bool blocks(const fixture& f, nbdstream_sink_blocking phase) {
  if ((f.table().blocking & static_cast<std::uint32_t>(phase)) != 0) return true;
  f.leave_out("the module does not say that it blocks there");
  return false;
}

}  // namespace

void check_abort_after_open(fixture& f) {
  subject& s = f.created();
  s.open();
  s.abort();
  go_on(f, s);
}

void check_abort_after_data(fixture& f) {
  subject& s = f.created();
  s.open();
  s.write(1000);
  s.zero(1000);
  s.write(1);
  s.abort();
  go_on(f, s);
}

void check_abort_instead_of_open(fixture& f) {
  subject& s = f.created();
  const auto result = s.try_open({.once = true});
  if (result != -EAGAIN) f.leave_out("open did not say so");
  s.abort();
  go_on(f, s);
}

void check_abort_instead_of_commit(fixture& f) {
  subject& s = f.created();
  s.open();
  if (f.one_stream()) f.tell_reader(kind::reader_pauses);
  s.write(1000);
  const auto result = s.try_commit({.once = true});
  if (result != -EAGAIN) f.leave_out("commit did not say so");
  if (s.is_open()) s.abort();
  go_on(f, s);
}

void check_failed_commit(fixture& f) {
  subject& s = f.created();
  s.open();
  s.write(1000);
  if (!make_commits_fail()) return f.leave_out("no call can be made to fail on this system");
  (void)s.try_commit({});
  if (!s.is_open()) {
    f.leave_out("commit neither syncs nor renames: nothing of it could be made to fail");
    return s.destroy();
  }
  s.abort();
  if (!f.one_stream()) {
    s.open();
    s.abort();
  }
  s.destroy();
}

void check_reader_that_leaves(fixture& f) {
  if (!f.one_stream()) return f.leave_out("only standard output has a reader that we know");
  subject& s = f.created();
  s.open();
  f.tell_reader(kind::reader_pauses);
  s.write(1000);
  auto result = s.try_commit({.once = true});
  if (result == -EAGAIN) {
    f.tell_reader(kind::reader_leaves);
    result = s.try_commit({});
  }
  if (result >= 0)
    s.complain("commit said that the stream is complete, and its reader has read nothing of it",
               contract::commit_is_final);
  if (s.is_open()) s.abort();
  s.destroy();
}

void check_interrupted_open(fixture& f) {
  if (!blocks(f, NBDSTREAM_BLOCKING_OPEN)) return;
  subject& s = f.created();
  (void)s.try_open(interrupted_at_once);
  s.abort();
  go_on(f, s);
}

void check_interrupted_write(fixture& f) {
  if (!blocks(f, NBDSTREAM_BLOCKING_WRITE)) return;
  subject& s = f.created();
  s.open();
  if (!s.lends()) {
    (void)s.try_write(64 << 10, interrupted_at_once);
  } else if (f.table().flush) {
    (void)s.try_flush(interrupted_at_once);
  } else if (f.table().zero) {
    (void)s.try_zero(64 << 10, interrupted_at_once);
  }
  s.abort();
  go_on(f, s);
}

void check_interrupted_commit(fixture& f) {
  if (!blocks(f, NBDSTREAM_BLOCKING_FINISH)) return;
  subject& s = f.created();
  s.open();
  s.write(64 << 10);
  (void)s.try_commit(interrupted_at_once);
  if (s.is_open()) s.abort();
  go_on(f, s);
}

}  // namespace nbdstream::conformance
