// SPDX-License-Identifier: BSD-3-Clause
//
// Calls that the system refuses, for want of memory or because a sandbox does not know them:
// nothing is taken for a hang-up, and nothing spins.
#include "abi/system_calls.hpp"
#include "in_child.hpp"
#include "io/fd_writer.hpp"
#include "transport_fixture.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>

namespace nbdstream::test {
namespace {

using sink_tests::disable_call;
using std::chrono::milliseconds;

milliseconds cpu_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return std::chrono::duration_cast<milliseconds>(of(used.ru_utime) + of(used.ru_stime));
}

/// Lets the loop run for a while; returns how much of the processor that took.
milliseconds let_run(loop& l, milliseconds time) {
  const auto before = cpu_time();
  const auto until = io::clock::now() + time;
  (void)l.until([&] { return io::clock::now() >= until; });
  return cpu_time() - before;
}

/// A peer must not count as gone while it is there, and must when it is not.
int watch_without_epoll(loop& l, io::transport& t, io::unique_fd& peer) {
  if (!disable_call(SYS_epoll_ctl, ENOMEM)) return 1;
  transport_outcome watching;
  l.spawn(watch(t, watching));
  if (let_run(l, milliseconds(200)) > milliseconds(100)) return 2;
  if (watching.done) return 3;
  peer.reset();
  if (!l.until([&] { return watching.done; })) return 4;
  return watching.answer || watching.sending ? 0 : 5;
}

TEST(RefusedCalls, HangUpOfAUnixPeerIsSeenWithoutEpoll) {
  EXPECT_EQ(in_child([] {
              loop l;
              pair p(l);
              return watch_without_epoll(l, *p.transport, p.peer);
            }),
            0);
}

TEST(RefusedCalls, HangUpOfAPipeIsSeenWithoutEpoll) {
  EXPECT_EQ(in_child([] {
              loop l;
              auto in = make_pipe();
              auto out = make_pipe();
              const auto t =
                  io::stdio_transport(l.executor(), std::move(in.read), std::move(out.write));
              return watch_without_epoll(l, *t, out.read);
            }),
            0);
}

TEST(RefusedCalls, HangUpOfATcpPeerIsSeenWithoutEpoll) {
  EXPECT_EQ(in_child([] {
              loop l;
              auto [peer, ours] = make_tcp_pair();
              const auto t = io::socket_transport(l.executor(), std::move(ours));
              return watch_without_epoll(l, *t, peer);
            }),
            0);
}

awaitable<void> write_all(io::fd_writer& w, const std::string& data, bool& done) {
  const auto error = co_await w.write(std::as_bytes(std::span(data)));
  done = !error;
}

/// Writes more than the pipe takes, lets a slow reader be slow, and then be quick.
int write_without(std::initializer_list<long> calls, bool expects_thread) {
  loop l;
  io::fd_waiter ready(l.executor());
  io::worker thread(l.executor());
  std::atomic<bool> stop = false;
  auto p = make_pipe();
  ::fcntl(p.write.get(), F_SETFL, O_NONBLOCK);
  for (const long call : calls) {
    if (!disable_call(call, EPERM)) return 1;
  }
  io::fd_writer w(p.write.get(), false, ready, thread, stop);
  if (w.blocking() != expects_thread) return 2;
  bool done = false;
  const auto data = numbered(1'000'000);
  l.spawn(write_all(w, data, done));
  if (let_run(l, milliseconds(300)) > milliseconds(150)) return 3;
  std::string got;
  const bool all = l.until([&] {
    got += drain(p.read.get());
    return done && got.size() >= data.size();
  });
  return all && got == data ? 0 : 4;
}

TEST(RefusedCalls, PipeIsRecognizedWithoutStatx) {
  EXPECT_EQ(in_child([] { return write_without({SYS_statx}, false); }), 0);
}

TEST(RefusedCalls, FullUnrecognizedPipeCausesNoBusyLoop) {
  EXPECT_EQ(in_child([] {
              return write_without({SYS_statx, SYS_newfstatat, SYS_fstat}, true);
            }),
            0);
}

}  // namespace
}  // namespace nbdstream::test
