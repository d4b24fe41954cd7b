// SPDX-License-Identifier: BSD-3-Clause
//
// One export with a sink in memory, the service over it, and peers that speak HTTP to it. As in
// server/rig.hpp no time passes, unless a test waits for something that needs it.
#ifndef NBDSTREAM_TESTS_UNIT_CONTROL_TALK_HPP
#define NBDSTREAM_TESTS_UNIT_CONTROL_TALK_HPP

#include "control/http_connection.hpp"
#include "unit/server/writer_client.hpp"

#include <list>
#include <memory>
#include <string>

namespace nbdstream::test {

/// A process of one export.
class rig_process final : public control::controlled {
 public:
  explicit rig_process(rig& r) : rig_(r) {}
  [[nodiscard]] status::process snapshot() const override {
    status::process p;
    p.exports.push_back(rig_.exported.snapshot());
    return p;
  }
  [[nodiscard]] nbd_export* find_export(std::string_view name) noexcept override {
    return name == rig_.exported.info().name ? &rig_.exported : nullptr;
  }
  void stop() override { stopped = true; }

  bool stopped = false;

 private:
  rig& rig_;
};

/// --end told.
inline nbd_export::settings told(nbd_export::settings s = rig::plain()) {
  s.told = true;
  return s;
}

/// "HTTP/1.1 200 OK" is 200; 0: there is no answer.
inline unsigned status_in(const std::string& text) {
  constexpr std::string_view version = "HTTP/1.1 ";
  if (!text.starts_with(version)) return 0;
  return static_cast<unsigned>(std::stoul(text.substr(version.size(), 3)));
}

inline std::string post(const std::string& path) {
  return "POST " + path + " HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
}
inline std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\n\r\n";
}

/// Times that a test can wait for.
inline control::patience short_patience() {
  using std::chrono::milliseconds;
  return {.request = milliseconds(60),
          .idle = milliseconds(60),
          .progress = milliseconds(60),
          .events = milliseconds(5)};
}
/// Times in which nothing happens.
inline control::patience long_patience_of_peers() {
  using std::chrono::hours;
  return {.request = hours(1), .idle = hours(1), .progress = hours(1), .events = hours(1)};
}

class talk {
 public:
  struct peer {
    explicit peer(const asio::any_io_executor& executor) : tape(executor) { tape.stays = true; }
    connection_tape tape;
    std::unique_ptr<control::http_connection> served;
    bool done = false;
    [[nodiscard]] const std::string& heard() const { return tape.from_server; }
    [[nodiscard]] unsigned status() const { return status_in(tape.from_server); }
  };

  explicit talk(nbd_export::settings s = told(), control::patience times = long_patience_of_peers())
      : r(std::move(s)), times_(times) {}
  ~talk() {
    all.begin_to_end();
    all.abort_waiters();
    for (auto& p : peers) p.served->close();
    r.tape.hold.clear();
    r.exported.stop("the test is over");
    r.exported.cancel_commit("the test is over");
    r.sink->release();
    bool joined = false;
    spawn(r.loop, all.join(), &joined);
    r.settle();
    EXPECT_TRUE(joined) << "something still waits for a stream";
    for (const auto& p : peers) EXPECT_TRUE(p.done) << "a connection hangs";
  }

  /// A peer that sends `text`, and stays.
  peer& say(const std::string& text) {
    auto& p = begin(text);
    r.settle();
    return p;
  }
  /// The same, but nothing has happened yet.
  peer& begin(const std::string& text) {
    auto& p = peers.emplace_back(r.loop.get_executor());
    p.tape.to_server = text;
    p.served = std::make_unique<control::http_connection>(
        r.loop.get_executor(), times_, control::place::control, std::string(),
        std::make_unique<fake_transport>(p.tape), all);
    spawn(r.loop, p.served->run(), &p.done);
    return p;
  }

  rig r;
  rig_process process{r};
  control::service all{r.loop.get_executor(), process, {""}, r.log};
  std::list<peer> peers;

 private:
  control::patience times_;
};

}  // namespace nbdstream::test
#endif
