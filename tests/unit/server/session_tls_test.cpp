// SPDX-License-Identifier: BSD-3-Clause
//
// Where a session turns to TLS; what TLS does is io/tls_test.cpp's.
#include "rig.hpp"
#include "support/scripted_client.hpp"

namespace nbdstream::test {
namespace {

constexpr std::uint32_t starttls = 5, list = 3, acknowledged = 1, server_reply = 2;

/// A transport that can be asked to be secure.
class securable final : public io::transport {
 public:
  securable(connection_tape& tape, std::size_t& asked, error_code answer)
      : plain_(tape), asked_(asked), answer_(answer) {}
  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    return plain_.read_some(into);
  }
  awaitable<error_code> write(std::span<const std::byte> data) override {
    return plain_.write(data);
  }
  awaitable<error_code> secure() override {
    ++asked_;
    co_return answer_;
  }
  awaitable<peer_state> wait_hangup() override { return plain_.wait_hangup(); }
  peer_state peer() noexcept override { return plain_.peer(); }
  awaitable<bool> all_delivered(io::clock::time_point until) override {
    return plain_.all_delivered(until);
  }
  std::size_t unread() noexcept override { return plain_.unread(); }
  void close() noexcept override { plain_.close(); }

 private:
  fake_transport plain_;
  std::size_t& asked_;
  error_code answer_;
};

class tls_host final : public session_host {
 public:
  explicit tls_host(nbd_export& e) : exported_(e), infos_{e.info()} {}
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t) override { return exported_; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override { return {}; }

 private:
  nbd_export& exported_;
  std::vector<protocol::export_info> infos_;
};

struct tls_rig : rig {
  tls_rig() { settings.tls = protocol::tls_policy::require; }
  /// A client that sends `before` and, once it was answered, `after`.
  transcript talk(const std::string& before, const std::string& after, error_code answer = {}) {
    auto& c = connect(before);
    c.tape.stays = true;
    c.tape.splits = {before.size()};
    c.served =
        std::make_unique<session>(loop.get_executor(), settings,
                                  std::make_unique<securable>(c.tape, asked, answer), host, log);
    spawn(loop, c.served->run(), &c.done);
    settle();
    if (!after.empty()) c.tape.send(after);
    settle();
    c.tape.stays = false;
    c.tape.changed.notify_all();
    settle();
    EXPECT_TRUE(c.done);
    return scripted_client().flags().parse(c.tape.from_server);
  }
  tls_host host{exported};
  std::size_t asked = 0;
};

const std::string starttls_request = scripted_client().flags().option(starttls).script();

TEST(SessionTls, NegotiationContinuesAfterStarttls) {
  tls_rig r;
  const auto said = r.talk(starttls_request, scripted_client().option(list).script());
  EXPECT_EQ(r.asked, 1u);
  ASSERT_EQ(said.options.size(), 3u) << r.log.all();
  EXPECT_EQ(said.options[1].type, server_reply);
}

TEST(SessionTls, PlaintextAfterStarttlsClosesTheConnection) {
  tls_rig r;
  const auto said = r.talk(starttls_request + scripted_client().option(list).script(), "");
  EXPECT_EQ(r.asked, 0u);
  ASSERT_EQ(said.options.size(), 1u);
  EXPECT_EQ(said.options[0].type, acknowledged);
  EXPECT_TRUE(r.log.says("plaintext behind STARTTLS"));
}

TEST(SessionTls, OnePlaintextByteAfterStarttlsClosesTheConnection) {
  tls_rig r;
  const auto said = r.talk(starttls_request + "\x16", "");
  EXPECT_EQ(r.asked, 0u);
  EXPECT_EQ(said.options.size(), 1u);
}

TEST(SessionTls, FailedTlsHandshakeClosesTheConnection) {
  tls_rig r;
  const auto said = r.talk(starttls_request, scripted_client().option(list).script(),
                           asio::error::connection_aborted);
  EXPECT_EQ(r.asked, 1u);
  EXPECT_EQ(said.options.size(), 1u) << "it went on in the clear";
  EXPECT_TRUE(r.log.says("the TLS handshake failed: "));
}

TEST(SessionTls, ClientWithoutTlsWritesNothing) {
  tls_rig r;
  static_cast<void>(r.talk(scripted_client().flags().go().write(0, "data").script(), ""));
  EXPECT_EQ(r.asked, 0u);
  r.exported.no_more_clients();
  r.settle();
  EXPECT_EQ(r.exported.snapshot().count.sent, 0u);
}

}  // namespace
}  // namespace nbdstream::test
