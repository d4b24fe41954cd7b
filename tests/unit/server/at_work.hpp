// SPDX-License-Identifier: BSD-3-Clause
//
// Clients whose connections stay, and that say more whenever a test lets them.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_AT_WORK_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_AT_WORK_HPP

#include "scenarios.hpp"

#include <functional>
#include <list>
#include <string>
#include <utility>

namespace nbdstream::test {

/// For a session over a transport of the test's own.
class one_export final : public session_host {
 public:
  explicit one_export(nbd_export& e) : export_(e), infos_{e.info()} {}
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t) override { return export_; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override { return {}; }

 private:
  nbd_export& export_;
  std::vector<protocol::export_info> infos_;
};

class clients_at_work : public ::testing::Test {
 protected:
  struct at_work {
    scripted_client script;
    rig::connection* connection = nullptr;
    std::string withheld;  ///< the end of what it has begun to send
  };

  explicit clients_at_work(nbd_export::settings s) : r(std::move(s)) {}

  /// A client that agrees on this before it goes on.
  at_work& connect(const std::function<void(scripted_client&)>& agree = {}) {
    auto& c = clients.emplace_back();
    c.script.flags();
    if (agree) agree(c.script);
    c.script.go();
    c.connection = &r.connect(c.script.script());
    c.connection->tape.stays = true;
    r.go(*c.connection);
    r.settle();
    return c;
  }
  /// The next bytes of `c`, without the last `withhold` bytes; the server has not read them yet.
  static void say(at_work& c, const std::function<void(scripted_client&)>& with,
                  std::size_t withhold = 0) {
    const auto said = c.script.script().size();
    with(c.script);
    auto more = c.script.script().substr(said);
    c.withheld = more.substr(more.size() - withhold);
    more.resize(more.size() - withhold);
    c.connection->tape.send(more);
  }
  void write(at_work& c, std::uint64_t offset, const std::string& data) {
    say(c, [&](scripted_client& s) { s.write(offset, data); });
    r.settle();
  }
  void zeroes(at_work& c, std::uint64_t offset, std::uint32_t length) {
    say(c, [&](scripted_client& s) { s.zeroes(offset, length); });
    r.settle();
  }
  /// A write whose last bytes are still on their way.
  void begin_write(at_work& c, std::uint64_t offset, const std::string& data,
                   std::size_t withhold) {
    say(
        c, [&](scripted_client& s) { s.write(offset, data); }, withhold);
    r.settle();
  }
  void end_write(at_work& c) {
    c.connection->tape.send(std::exchange(c.withheld, {}));
    r.settle();
  }
  void disc(at_work& c) {
    say(c, [](scripted_client& s) { s.disc(); });
    r.settle();
  }
  void hang_up(at_work& c) {
    c.connection->tape.hang_up();
    r.settle();
  }
  void let_read(at_work& c) {
    c.connection->tape.reads = true;
    c.connection->tape.changed.notify_all();
    r.settle();
  }

  static transcript heard(const at_work& c) {
    auto said = c.script.parse(c.connection->tape.from_server);
    EXPECT_EQ(said.wrong, "");
    return said;
  }
  /// "1 3 2:5" for answers to the first, third, and second request, the last of them EIO.
  static std::string answers(const at_work& c) {
    std::string text;
    for (const auto& a : heard(c).answers) {
      text += (text.empty() ? "" : " ") + std::to_string(a.cookie);
      if (a.error != 0) text += ":" + std::to_string(a.error);
    }
    return text;
  }

  rig r;
  std::list<at_work> clients;
};

}  // namespace nbdstream::test
#endif
