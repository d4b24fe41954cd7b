// SPDX-License-Identifier: BSD-3-Clause
//
// Payloads that are moved by reference (splice): clients and readers that leave in the middle,
// signals, and pages that change after the client has sent them.
#include "support/data_path_test.hpp"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

namespace nbdstream::test {
namespace {

constexpr std::uint64_t payload = 40 * KiB;  // fits into any pipe

/// Pages of a client, and several ways to send them.
class pages {
 public:
  pages()
      : file_(checked(::memfd_create("pages", MFD_CLOEXEC), "memfd_create")),
        data_(map(file_.get())) {}
  pages(const pages&) = delete;
  pages& operator=(const pages&) = delete;
  ~pages() { ::munmap(data_, payload); }

  void fill(std::string_view text) { std::memcpy(data_, text.data(), payload); }

  void send(int socket, const std::string& way) {
    if (way == "sendfile") {
      off_t at = 0;
      took(::sendfile(socket, file_.get(), &at, payload), way);
    } else if (way == "send") {
      took(::send(socket, data_, payload, MSG_NOSIGNAL), way);
    } else if (way == "zerocopy") {
      send_and_wait_until_let_go(socket);
    } else {
      splice(socket, way == "gift" ? SPLICE_F_GIFT : 0);
    }
  }

 private:
  static char* map(int file) {
    checked(::ftruncate(file, payload), "ftruncate");
    void* const at = ::mmap(nullptr, payload, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) throw std::runtime_error("mmap");
    return static_cast<char*>(at);
  }
  static void took(ssize_t count, const std::string& what) {
    if (checked(count, what) != payload) throw std::runtime_error(what + " has taken a part");
  }
  void splice(int socket, unsigned flags) {
    pipe_pair between = make_pipe();
    const iovec all{data_, payload};
    took(::vmsplice(between.write.get(), &all, 1, flags), "vmsplice");
    took(::splice(between.read.fd(), nullptr, socket, nullptr, payload, SPLICE_F_MOVE), "splice");
  }
  /// The kernel owns the pages until it reports on the error queue that it has released them.
  void send_and_wait_until_let_go(int socket) {
    const int on = 1;
    checked(::setsockopt(socket, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), "SO_ZEROCOPY");
    took(::send(socket, data_, payload, MSG_ZEROCOPY | MSG_NOSIGNAL), "send");
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr report{};
    report.msg_control = control.data();
    report.msg_controllen = control.size();
    if (!eventually([&] { return ::recvmsg(socket, &report, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0; }))
      throw std::runtime_error("the kernel does not let go of the pages");
  }

  file_descriptor file_;
  char* data_;
};

class ChangedPages : public data_path_test {
 protected:
  /// Sends pages in the way `way`, waits for the reply, and overwrites the pages. Returns what the
  /// reader gets.
  std::string stream_of(const std::string& way, const char* data_path, bool tcp) {
    pipe_pair pipe = make_pipe();
    process server = start_into(pipe.write.get(), {"--data-path", data_path});
    pipe.write.reset();
    talker client = tcp ? over_tcp() : over_unix();
    warm_up(client, pipe.read);
    pages ours;
    ours.fill(original_);
    client.script.raw(request_message(0, scripted_client::write_command, 2, payload, payload));
    client.say();
    ours.send(client.connection.fd(), way);
    client.wait_for_answers(2);
    ours.fill(changed_);
    client.script.raw(request_message(0, scripted_client::disc_command, 3, 0, 0));
    client.say();
    pipe.read.drain();
    EXPECT_TRUE(ended_with(0, server.wait()));
    return pipe.read.received().substr(payload);
  }

  const std::string original_ = pattern(payload, 100), changed_ = pattern(payload, 200);
};

class ChangedPagesByReference
    : public ChangedPages,
      public ::testing::WithParamInterface<std::tuple<const char*, bool>> {
 protected:
  const std::string way_ = std::get<0>(GetParam());
  const bool tcp_ = std::get<1>(GetParam());
};

TEST_P(ChangedPagesByReference, DoNotChangeACopiedStream) {
  EXPECT_TRUE(stream_of(way_, "copy", tcp_) == original_);
}

/// Without copying the stream may change. It then has only bytes that the client put into its
/// pages.
TEST_P(ChangedPagesByReference, ShowOldOrNewBytesInAnUncopiedStream) {
  const auto got = stream_of(way_, "auto", tcp_);
  ASSERT_EQ(got.size(), payload);
  for (std::size_t at = 0; at < payload; ++at)
    ASSERT_TRUE(got[at] == original_[at] || got[at] == changed_[at]) << at;
}

INSTANTIATE_TEST_SUITE_P(SentBy, ChangedPagesByReference,
                         ::testing::Combine(::testing::Values("vmsplice", "gift", "sendfile"),
                                            ::testing::Bool()),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param)) +
                                  (std::get<1>(each.param) ? "_tcp" : "_unix");
                         });

TEST_F(ChangedPages, DoNotChangeTheStreamAfterSend) {
  for (const bool tcp : {false, true}) {
    std::filesystem::remove(path("pid"));
    EXPECT_TRUE(stream_of("send", "auto", tcp) == original_) << tcp;
  }
}

TEST_F(ChangedPages, DoNotChangeTheStreamAfterZerocopySend) {
  EXPECT_TRUE(stream_of("zerocopy", "auto", true) == original_);
}

class DataPathHazards : public data_path_test {
 protected:
  pipe_pair pipe_ = make_pipe();

  [[nodiscard]] process start_server(const arguments& more = {}) {
    process server = start_into(pipe_.write.get(), more);
    pipe_.write.reset();
    return server;
  }
  void expect_the_whole_stream(talker& client, process& server) {
    EXPECT_TRUE(client.ends_well(&pipe_.read));
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(pipe_.read.received() == client.expected);
  }
};

/// When 64 bytes of a Unix socket are moved by reference, they take one of the 16 slots of the
/// pipe. When they are copied, many of them share a page.
TEST_F(DataPathHazards, PayloadIsMovedByReferenceByDefault) {
  process server = start_server();
  talker client = over_unix();
  warm_up(client, pipe_.read);
  checked(::fcntl(pipe_.read.fd(), F_SETPIPE_SZ, 64 * KiB), "F_SETPIPE_SZ");
  client.data(payload);
  client.offer(64);
  EXPECT_TRUE(comes_to_rest(server));
  EXPECT_GT(unread(pipe_.read), 0);
  EXPECT_LT(unread(pipe_.read), 4 * KiB);
  expect_the_whole_stream(client, server);
}

TEST_F(DataPathHazards, DataPathCopyCopiesThePayload) {
  process server = start_server({"--data-path", "copy"});
  talker client = over_unix();
  warm_up(client, pipe_.read);
  checked(::fcntl(pipe_.read.fd(), F_SETPIPE_SZ, 64 * KiB), "F_SETPIPE_SZ");
  client.data(payload);
  client.say(nullptr, 64);
  EXPECT_TRUE(eventually([&] { return unread(pipe_.read) == payload; }));
  expect_the_whole_stream(client, server);
}

class ClientGoneMidPayload : public DataPathHazards,
                             public ::testing::WithParamInterface<const char*> {};

TEST_P(ClientGoneMidPayload, AbortsTheStreamAfterACorrectPrefix) {
  process server = start_server({"--size", "64M"});
  talker client = GetParam() == std::string("tcp") ? over_tcp() : over_unix();
  warm_up(client, pipe_.read);
  client.data(4 * MiB);
  const auto half = client.unsaid().substr(0, client.unsaid().size() / 2);
  client.connection.send(half, &pipe_.read);
  client.connection.leave();
  pipe_.read.drain();
  EXPECT_TRUE(ended_with(1, server.wait()));
  const auto& got = pipe_.read.received();
  EXPECT_LE(got.size(), payload + half.size());
  EXPECT_TRUE(client.expected.starts_with(got)) << got.size();
}

INSTANTIATE_TEST_SUITE_P(Over, ClientGoneMidPayload, ::testing::Values("tcp", "unix"),
                         [](const auto& each) { return each.param; });

TEST_F(DataPathHazards, ReaderGoneMidPayloadFailsEachRequestWithEio) {
  process server = start_server();
  talker client = over_unix();
  client.data(4 * MiB);
  client.data(64 * KiB);
  client.script.flush().read(16 * MiB, 512).write(8 * MiB, "ahead").disc();
  client.offer();
  pipe_.read.take(100'000);
  pipe_.read.leave();
  client.say();
  client.connection.drain();
  EXPECT_TRUE(client.was_answered(5)) << "EIO";
  EXPECT_TRUE(ended_with(1, server.wait()));
}

TEST_F(DataPathHazards, SignalsDoNotChangeTheStream) {
  process server =
      start_server({"--order", "spill", "--run", "until [ -e go ]; do sleep 0.1; done"});
  talker client = over_unix();
  for (int i = 0; i < 4; ++i) {
    client.data(MiB + 1);
    client.zeroes(MiB - 1);
    client.late(300'001, 400'001);
  }
  const std::string about = "/proc/" + std::to_string(server.pid()) + "/stat";
  for (std::size_t goal = 0; goal < 6'000'000; goal += 500'000) {
    EXPECT_TRUE(eventually([&] {
      client.offer();
      pipe_.read.take(std::min<std::size_t>(static_cast<std::size_t>(unread(pipe_.read)), 100'000));
      return pipe_.read.received().size() >= goal;
    }));
    for (const int number : {SIGCHLD, SIGWINCH, SIGSTOP, SIGCHLD}) server.signal(number);
    EXPECT_TRUE(eventually([&] { return read_file(about).find(") T ") != std::string::npos; }));
    server.signal(SIGCONT);
  }
  client.script.disc();
  client.say(&pipe_.read);
  // The server does not reply to a write before the pipe has taken its payload.
  pipe_.read.take(client.expected.size() - pipe_.read.received().size());
  client.connection.drain();
  write_file(path("go"), "");
  pipe_.read.drain();
  EXPECT_TRUE(client.was_answered(0));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(pipe_.read.received() == client.expected);
}

TEST_F(DataPathHazards, PayloadsOfTwoClientsDoNotMix) {
  process server = start_server();
  std::array<talker, 2> both{over_unix(), over_tcp()};
  std::string expected;
  for (std::size_t i = 0; i < 32; ++i) {
    const auto more = pattern(100'001, i);
    both.at(i % 2).script.write(expected.size(), more);
    expected += more;
  }
  for (auto& one : both) one.script.flush();
  EXPECT_TRUE(eventually([&] {
    for (auto& one : both) one.offer();
    pipe_.read.take_what_there_is();
    return both[0].unsaid().empty() && both[1].unsaid().empty();
  }));
  pipe_.read.take(expected.size() - pipe_.read.received().size());
  for (auto& one : both) {
    one.wait_for_answers(17);
    one.script.disc();
    one.say();
    one.connection.drain();
    EXPECT_TRUE(one.was_answered(0));
  }
  pipe_.read.drain();
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(pipe_.read.received() == expected);
}

}  // namespace
}  // namespace nbdstream::test
