// SPDX-License-Identifier: BSD-3-Clause
//
// The stream is the same for each kind of stdout, for each size of the pieces in which it arrives,
// and when other processes change the flags or the size of the pipe.
#include "support/data_path_test.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <termios.h>

#include <optional>

namespace nbdstream::test {
namespace {

/// Large and small payloads, zeroes, and data that must wait in the spill file, all of odd sizes.
void say_everything(talker& client) {
  client.data(300'001);
  client.zeroes(300'003);
  client.data(511);
  client.late(100'007, 70'001);
  client.zeroes(5);
  client.late(512, 200'001);
  client.data(40'009);
  client.zeroes(70'001);
}

/// One kind of stdout, and how to read what was written to it.
struct outlet {
  file_descriptor end;
  std::optional<peer> reader = {};
  std::string file = {};
};

peer raw_screen(terminal& t) {
  termios mode{};
  checked(::tcgetattr(t.slave.get(), &mode), "tcgetattr");
  ::cfmakeraw(&mode);
  checked(::tcsetattr(t.slave.get(), TCSANOW, &mode), "tcsetattr");
  return std::move(t.master);
}

class DataPath : public data_path_test {
 protected:
  outlet make_outlet(const std::string& what) {
    const auto make_file = [&](int mode) {
      return file_descriptor(checked(
          ::open(path("out.raw").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0600), "open"));
    };
    if (what == "File") return {make_file(0), {}, "out.raw"};
    if (what == "AppendedFile") return {make_file(O_APPEND), {}, "out.raw"};
    if (what == "NullDevice")
      return {file_descriptor(checked(::open("/dev/null", O_WRONLY | O_CLOEXEC), "open"))};
    if (what == "Terminal") {
      terminal t = make_terminal();
      peer screen = raw_screen(t);
      return {std::move(t.slave), std::move(screen)};
    }
    if (what == "Socket") {
      std::array<int, 2> ends{};
      checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
      return {file_descriptor(ends[0]), peer(file_descriptor(ends[1]))};
    }
    pipe_pair pipe = make_pipe();
    if (what == "InheritedPipe") forbid_reopening(pipe.write);
    return {std::move(pipe.write), std::move(pipe.read)};
  }

  /// Sends everything into a pipe, and expects it there. `meddle` changes the pipe before the
  /// server starts, `meanwhile` during the stream.
  template <class Before, class Meanwhile>
  void expect_the_same(Before&& meddle, Meanwhile&& meanwhile, bool reopens = true,
                       std::size_t piece = std::numeric_limits<std::size_t>::max()) {
    pipe_pair pipe = make_pipe();
    if (!reopens) forbid_reopening(pipe.write);
    meddle(pipe);
    process server = start_into(pipe.write.get(), {"--order", "spill"});
    talker client = over_unix();
    warm_up(client, pipe.read);
    meanwhile(pipe);
    pipe.write.reset();
    say_everything(client);
    client.say(&pipe.read, piece);
    EXPECT_TRUE(client.ends_well(&pipe.read));
    EXPECT_TRUE(ended_with(0, server.wait()));
    EXPECT_TRUE(pipe.read.received() == client.expected);
  }
  static void nothing(pipe_pair&) {}
  static void make_small(pipe_pair& pipe) {
    checked(::fcntl(pipe.read.fd(), F_SETPIPE_SZ, 4096), "F_SETPIPE_SZ");
  }
  static void make_nonblocking(pipe_pair& pipe) {
    checked(::fcntl(pipe.write.get(), F_SETFL, flags(pipe.write) | O_NONBLOCK), "F_SETFL");
  }
  static void make_blocking(pipe_pair& pipe) {
    checked(::fcntl(pipe.write.get(), F_SETFL, flags(pipe.write) & ~O_NONBLOCK), "F_SETFL");
  }
};

using outlet_and_how = std::tuple<const char*, const char*>;
class DataPathOutlet : public DataPath, public ::testing::WithParamInterface<outlet_and_how> {};

TEST_P(DataPathOutlet, ReceivesEveryByte) {
  outlet out = make_outlet(std::get<0>(GetParam()));
  const bool appends = (flags(out.end) & O_APPEND) != 0;
  if (appends) write_file(path("out.raw"), "before");
  process server =
      start_into(out.end.get(), {"--order", "spill", "--data-path", std::get<1>(GetParam())});
  out.end.reset();
  talker client = over_unix();
  say_everything(client);
  EXPECT_TRUE(client.ends_well(out.reader ? &*out.reader : nullptr));
  EXPECT_TRUE(ended_with(0, server.wait()));
  if (out.reader) {
    EXPECT_TRUE(out.reader->received() == client.expected);
  }
  if (!out.file.empty()) {
    EXPECT_TRUE(holds(path(out.file), (appends ? "before" : "") + client.expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Each, DataPathOutlet,
                         ::testing::Combine(::testing::Values("Pipe", "InheritedPipe", "File",
                                                              "AppendedFile", "Terminal", "Socket",
                                                              "NullDevice"),
                                            ::testing::Values("auto", "copy")),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param)) + "_" +
                                  std::get<1>(each.param);
                         });

class DataPathFlags : public DataPath, public ::testing::WithParamInterface<const char*> {};

TEST_P(DataPathFlags, StayUnchangedOnASharedDescription) {
  outlet out = make_outlet(GetParam());
  peer* const reader = out.reader ? &*out.reader : nullptr;
  const int before = flags(out.end);
  process server = start_into(out.end.get(), {"--order", "spill"});
  talker client = over_unix();
  for (int i = 0; i < 2; ++i) {
    say_everything(client);
    client.say(reader);
    EXPECT_EQ(flags(out.end), before) << "in the middle of the stream";
  }
  client.script.disc();
  client.say(reader);
  if (reader) reader->take(client.expected.size() - reader->received().size());
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_EQ(flags(out.end), before) << "at the end";
}

INSTANTIATE_TEST_SUITE_P(Each, DataPathFlags,
                         ::testing::Values("Pipe", "InheritedPipe", "File", "Terminal", "Socket"),
                         [](const auto& each) { return each.param; });

/// With --single the client talks over two pipes that its parent process has made.
TEST_F(DataPath, SingleKeepsTheFlagsOfItsPipes) {
  pipe_pair there = make_pipe();
  pipe_pair back = make_pipe();
  const file_descriptor in(::dup(there.read.fd()));
  const std::array<int, 2> before{flags(in), flags(back.write)};
  process::options how;
  how.in = in.get();
  how.out = back.write.get();
  process server = start_nbdstream({"--single", "--sink", "fifo:output"}, how);
  process reader = start_reader();
  const auto data = pattern(3 * MiB);
  scripted_client client;
  client.flags().go().write(0, data);
  std::string_view unsent = client.script();
  EXPECT_TRUE(eventually([&] {
    pollfd room{there.write.get(), POLLOUT, 0};
    while (!unsent.empty() && ::poll(&room, 1, 0) == 1)
      unsent.remove_prefix(static_cast<std::size_t>(checked(
          ::write(there.write.get(), unsent.data(), std::min<std::size_t>(unsent.size(), 4096)),
          "write")));
    return unsent.empty();
  }));
  EXPECT_EQ(flags(in), before[0]);
  EXPECT_EQ(flags(back.write), before[1]);
  while (client.parse(back.read.received()).answers.empty()) back.read.take(1);
  const std::string goodbye = request_message(0, scripted_client::disc_command, 2, 0, 0);
  checked(::write(there.write.get(), goodbye.data(), goodbye.size()), "write");
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_EQ(flags(in), before[0]);
  EXPECT_EQ(flags(back.write), before[1]);
  EXPECT_TRUE(holds(path("out.raw"), data));
}

class DataPathPieces : public DataPath, public ::testing::WithParamInterface<int> {};

TEST_P(DataPathPieces, CarryEveryByte) {
  expect_the_same(nothing, nothing, true, static_cast<std::size_t>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Size, DataPathPieces, ::testing::Values(97, 4095, 4097, 65'537));

TEST_F(DataPath, PayloadSentByteByByteArrives) {
  pipe_pair pipe = make_pipe();
  process server = start_into(pipe.write.get());
  pipe.write.reset();
  talker client = over_unix();
  warm_up(client, pipe.read);
  client.data(32 * KiB);
  client.say(&pipe.read, 1);
  EXPECT_TRUE(client.ends_well(&pipe.read));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(pipe.read.received() == client.expected);
}

TEST_F(DataPath, SmallPipeGetsEveryByte) {
  expect_the_same(make_small, nothing);
}

TEST_F(DataPath, PipeShrunkMidStreamGetsEveryByte) {
  expect_the_same(nothing, make_small);
}

TEST_F(DataPath, InheritedPipeShrunkMidStreamGetsEveryByte) {
  expect_the_same(nothing, make_small, false);
}

TEST_F(DataPath, NonblockingPipeGetsEveryByte) {
  expect_the_same(make_nonblocking, nothing);
}

TEST_F(DataPath, InheritedNonblockingPipeGetsEveryByte) {
  expect_the_same(make_nonblocking, nothing, false);
}

TEST_F(DataPath, InheritedPipeMadeNonblockingGetsEveryByte) {
  expect_the_same(nothing, make_nonblocking, false);
}

TEST_F(DataPath, InheritedPipeMadeBlockingGetsEveryByte) {
  expect_the_same(make_nonblocking, make_blocking, false);
}

}  // namespace
}  // namespace nbdstream::test
