// SPDX-License-Identifier: BSD-3-Clause
//
// One export with a sink in memory, and sessions with scripted clients. No time passes: the loop
// runs until no coroutine can go on, so that a hang is found at once.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_RIG_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_RIG_HPP

#include "server/export.hpp"
#include "server/session.hpp"
#include "support/fake_log.hpp"
#include "support/fake_sink.hpp"
#include "support/fake_spill.hpp"
#include "support/fake_transport.hpp"
#include "unit/io/loop.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <list>
#include <memory>

namespace nbdstream::test {

/// Runs everything that can run. What keeps itself busy for ever is a failure.
inline void run_dry(asio::io_context& loop) {
  constexpr int far_too_many = 3'000'000;
  for (int i = 0; i < far_too_many; ++i) {
    loop.restart();
    if (loop.poll_one() == 0) return;
  }
  ADD_FAILURE() << "the loop spins";
}

inline void spawn(asio::io_context& loop, awaitable<void> task, bool* done = nullptr) {
  asio::co_spawn(loop, std::move(task), [done](std::exception_ptr failed) {
    if (failed) ADD_FAILURE() << "an exception left a coroutine";
    if (done) *done = true;
  });
}

/// A client without a session; its late replies stay in its output.
class fake_client {
 public:
  fake_client(const asio::any_io_executor& executor, std::string name)
      : tape_(executor), output_(executor, transport_), me{1, std::move(name), replies_} {}
  [[nodiscard]] std::size_t late_replies() {
    return output_.queue().size() / protocol::simple_reply_size;
  }
  /// What it was answered until now.
  [[nodiscard]] std::string said() {
    const auto& all = output_.queue();
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }

 private:
  connection_tape tape_;
  fake_transport transport_{tape_};
  io::output output_;
  reply_queue replies_{output_};

 public:
  client me;
};

/// The same with a gap that is given up at once.
inline nbd_export::settings impatient(nbd_export::settings s) {
  s.config.stall = std::chrono::seconds(0);
  return s;
}
/// The same with a command whose exit status decides.
inline nbd_export::settings decided_by_run(nbd_export::settings s) {
  s.decided_by_run = true;
  return s;
}
/// The same where every byte must be named.
inline nbd_export::settings refusing_gaps(nbd_export::settings s) {
  s.refuse_gaps = true;
  return s;
}

class rig : private session_host {
 public:
  /// settle is 0 unless the settings say otherwise. With `path`, connections hand out a socket.
  explicit rig(nbd_export::settings s = plain(), data_path path = data_path::copied)
      : sink(new fake_sink(loop.get_executor(), tape)),
        exported(loop.get_executor(), with_spill(std::move(s), spill, loop.get_executor()),
                 std::unique_ptr<sink::sink>(sink), log, changed),
        infos_{exported.info()} {
    tape.path = path;
    spawn(loop, exported.run(), &export_done);
    spawn(loop, exported.watch_sink());
  }
  ~rig() override {
    // What a failed test has left must not outlive what it refers to.
    tape.hold.clear();
    for (auto& c : connections) {
      c.tape.closed = true;
      c.tape.changed.notify_all();
    }
    exported.stop("the test is over");
    exported.cancel_commit("the test is over");
    sink->release();
    spill.release();
    run_dry(loop);
  }

  static nbd_export::settings plain() {
    nbd_export::settings s;
    s.config.settle = std::chrono::seconds(0);
    return s;
  }
  static nbd_export::settings sized(std::uint64_t size) {
    auto s = plain();
    s.config.size = size;
    return s;
  }

  /// So many, one after another; 0: without end.
  static nbd_export::settings streams(std::uint64_t count) {
    auto s = plain();
    s.config.streams = count;
    return s;
  }

  /// Any order, and a window of so many bytes.
  static nbd_export::settings ordered(stream::order order, std::uint64_t window) {
    auto s = windowed(window);
    s.order = order;
    return s;
  }
  /// --order window with so many bytes, which waits for ever for a gap.
  static nbd_export::settings windowed(std::uint64_t bytes) {
    auto s = plain();
    s.order = stream::order::window;
    s.config.window = bytes;
    s.config.stall = std::chrono::hours(1);
    return s;
  }

  struct connection {
    explicit connection(const asio::any_io_executor& executor) : tape(executor) {}
    connection_tape tape;
    std::unique_ptr<session> served;
    bool done = false;
  };

  /// A client that sends `script`; it does nothing before go().
  connection& connect(std::string script) {
    auto& c = connections.emplace_back(loop.get_executor());
    c.tape.to_server = std::move(script);
    c.tape.has_socket = tape.path != data_path::copied;
    return c;
  }
  void go(connection& c) {
    settings.id = connections.size();
    session_host& host = *this;
    c.served = std::make_unique<session>(loop.get_executor(), settings,
                                         std::make_unique<fake_transport>(c.tape), host, log);
    spawn(loop, c.served->run(), &c.done);
  }
  void settle() { run_dry(loop); }
  /// The command has exited with 0, and every connection was read to its end.
  void command_succeeds() {
    exported.run_exited(0, {});
    exported.no_more_clients();
    settle();
  }
  /// Whether no coroutine is left, once all has ended.
  [[nodiscard]] bool nothing_left() {
    settle();
    return loop.stopped();
  }

  asio::io_context loop{1};
  io::condition changed{loop.get_executor()};  ///< the server's
  fake_log log;
  sink_tape tape;
  spill_tape spill;
  fake_sink* sink;
  bool export_done = false;
  session::settings settings;
  std::optional<protocol::negotiator::refusal> closed_gate;
  std::list<connection> connections;
  nbd_export exported;

 private:
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t) override { return exported; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override {
    return closed_gate;
  }

  static nbd_export::settings with_spill(nbd_export::settings s, spill_tape& tape,
                                         const asio::any_io_executor& executor) {
    s.spill = {"a directory", fake_spill::maker(tape, executor)};
    return s;
  }

  std::vector<protocol::export_info> infos_;
};

}  // namespace nbdstream::test
#endif
