// SPDX-License-Identifier: BSD-3-Clause
//
// fd_writer::send_file: the bytes of a file, by reference where that can be, else copied.
#include "io/fd_writer.hpp"
#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>

#include <fstream>
#include <iterator>
#include <memory>

namespace nbdstream::test {
namespace {

constexpr std::size_t file_size = 1'000'003;

io::unique_fd file_of(const std::string& data, const char* directory = "/dev/shm") {
  io::unique_fd file(::open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_EQ(::pwrite(file.get(), data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
  return file;
}

struct send_file_rig {
  loop l;
  io::fd_waiter ready{l.executor()};
  io::worker thread{l.executor()};
  std::atomic<bool> stop = false;
  [[nodiscard]] bool waits() const { return ready.waiting() || thread.busy(); }
  std::unique_ptr<io::fd_writer> writer;
  bool done = false;
  error_code error;

  explicit send_file_rig(int fd, bool shared = false, bool copy_only = false)
      : writer(std::make_unique<io::fd_writer>(fd, shared, ready, thread, stop, copy_only)) {}
  void start(const io::unique_fd& from, std::uint64_t offset, std::uint64_t count);
  error_code send(const io::unique_fd& from, std::uint64_t offset, std::uint64_t count) {
    start(from, offset, count);
    l.finish();
    return error;
  }
  /// Runs until the pipe holds `held` bytes, so that the writer waits or soon will.
  void fill(int pipe, std::size_t held) {
    EXPECT_TRUE(l.until([&] {
      int now = 0;
      return ::ioctl(pipe, FIONREAD, &now) == 0 && static_cast<std::size_t>(now) >= held;
    }));
  }
};

awaitable<void> send_file(send_file_rig& r, int from, std::uint64_t offset, std::uint64_t count) {
  r.done = false;
  r.error = co_await r.writer->send_file(from, offset, count);
  r.done = true;
}

void send_file_rig::start(const io::unique_fd& from, std::uint64_t offset, std::uint64_t count) {
  l.spawn(send_file(*this, from.get(), offset, count));
}

/// What comes out at `read` until `r` is done and nothing is left.
std::string take(send_file_rig& r, int read, std::size_t count) {
  std::string got;
  EXPECT_TRUE(r.l.until([&] {
    got += drain(read);
    return r.done && got.size() >= count;
  }));
  EXPECT_FALSE(r.error) << r.error.message();
  return got;
}

void expect_intact(int read, int write, bool shared, bool copy_only) {
  const auto flags = ::fcntl(write, F_GETFL);
  const auto data = numbered(file_size);
  for (const char* const directory : {"/var/tmp", "/dev/shm"}) {
    const auto file = file_of(data, directory);
    send_file_rig r(write, shared, copy_only);
    for (const std::uint64_t offset : {0, 1, 4095, 4096, 70'001}) {
      const auto count = file_size - offset - 3;
      r.start(file, offset, count);
      EXPECT_TRUE(take(r, read, count) == data.substr(offset, count)) << directory << offset;
    }
    r.start(file, 0, 0);
    r.l.finish();
    EXPECT_FALSE(r.error);
    EXPECT_EQ(drain(read), "");
    EXPECT_EQ(r.writer->in_transit(), 0u);
  }
  if (shared) {
    EXPECT_EQ(::fcntl(write, F_GETFL) & ~O_NONBLOCK, flags & ~O_NONBLOCK) << "flags of others";
  }
}

TEST(FdWriterFile, IsSentThroughAnyPipe) {
  for (const bool copy_only : {false, true}) {
    for (const bool shared : {false, true}) {
      auto p = make_pipe();
      expect_intact(p.read.get(), p.write.get(), shared, copy_only);
      EXPECT_EQ(nonblocking(p.write.get()), !shared);
    }
  }
}

TEST(FdWriterFile, IsSentThroughASocket) {
  auto s = make_socketpair();
  expect_intact(s.read.get(), s.write.get(), true, false);
}

TEST(FdWriterFile, IsSentThroughAPipeOfOnePage) {
  auto p = make_pipe();
  ASSERT_EQ(::fcntl(p.write.get(), F_SETPIPE_SZ, 4096), 4096);
  const auto data = numbered(100'000);
  const auto file = file_of(data);
  send_file_rig r(p.write.get());
  r.start(file, 1, 99'998);
  EXPECT_TRUE(take(r, p.read.get(), 99'998) == data.substr(1, 99'998));
}

TEST(FdWriterFile, WaitsIfAPipeIsFullOfSmallPieces) {
  auto p = make_pipe();
  const auto data = numbered(50'000);
  const auto file = file_of(data);
  send_file_rig r(p.write.get());
  const auto slots = static_cast<std::uint64_t>(::fcntl(p.write.get(), F_GETPIPE_SZ) / 4096);
  for (std::uint64_t i = 0; i < slots; ++i) EXPECT_FALSE(r.send(file, i, 1));
  EXPECT_EQ(r.writer->in_transit(), slots) << "a byte in each page";
  r.start(file, slots, data.size() - slots);
  EXPECT_TRUE(r.l.until([&] { return r.ready.waiting(); }));
  std::string got(1, '?');
  EXPECT_EQ(::read(p.read.get(), got.data(), 1), 1);
  EXPECT_TRUE(r.l.until([&] { return r.writer->in_transit() > slots; })) << "one is free";
  got += take(r, p.read.get(), data.size() - 1);
  EXPECT_TRUE(got == data);
}

TEST(FdWriterFile, IsAppendedToAFile) {
  const auto data = numbered(file_size);
  const auto file = file_of(data);
  for (const int flags : {0, O_APPEND}) {
    for (const bool copy_only : {false, true}) {
      for (const char* const directory : {"/var/tmp", "/dev/shm"}) {
        const auto target = file_of("", directory);
        ASSERT_EQ(::fcntl(target.get(), F_SETFL, flags), 0);
        send_file_rig r(target.get(), true, copy_only);
        EXPECT_TRUE(r.writer->blocking());
        EXPECT_FALSE(r.send(file, 5, 100'000));
        EXPECT_FALSE(r.send(file, 100'005, file_size - 100'005)) << r.error.message();
        std::string got(file_size, '?');
        EXPECT_EQ(::pread(target.get(), got.data(), file_size, 0),
                  static_cast<ssize_t>(file_size - 5));
        EXPECT_TRUE(got.substr(0, file_size - 5) == data.substr(5))
            << flags << copy_only << directory;
        EXPECT_EQ(r.writer->in_transit(), 0u);
      }
    }
  }
}

TEST(FdWriterFile, IsSentToADevice) {
  const auto file = file_of(numbered(file_size));
  const io::unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  EXPECT_FALSE(send_file_rig(null.get(), true).send(file, 0, file_size));
  const io::unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(send_file_rig(full.get(), true).send(file, 0, file_size).value(), ENOSPC);
}

TEST(FdWriterFile, IsSentToATerminal) {
  int master = -1;
  int slave = -1;
  termios raw{};
  ::cfmakeraw(&raw);
  ASSERT_EQ(::openpty(&master, &slave, nullptr, &raw, nullptr), 0);
  const io::unique_fd read(master);
  const io::unique_fd write(slave);
  const auto data = numbered(50'000);
  const auto file = file_of(data);
  send_file_rig r(write.get(), true);
  r.start(file, 0, data.size());
  EXPECT_TRUE(take(r, read.get(), data.size()) == data);
}

TEST(FdWriterFile, FileThatCannotBeSplicedIsCopied) {
  const io::unique_fd environment(::open("/proc/self/environ", O_RDONLY | O_CLOEXEC));
  std::string data(100'000, '\0');
  data.resize(static_cast<std::size_t>(::read(environment.get(), data.data(), data.size())));
  ASSERT_FALSE(data.empty());
  auto p = make_pipe();
  send_file_rig r(p.write.get());
  r.start(environment, 1, data.size() - 1);
  EXPECT_EQ(take(r, p.read.get(), data.size() - 1), data.substr(1));
}

TEST(FdWriterFile, ShortFileGivesEio) {
  const auto file = file_of("abc");
  auto p = make_pipe();
  auto s = make_socketpair();
  const auto target = file_of("");
  for (const int fd : {p.write.get(), s.write.get(), target.get()}) {
    for (const bool copy_only : {false, true}) {
      send_file_rig r(fd, false, copy_only);
      EXPECT_EQ(r.send(file, 1, 3).value(), EIO);
      EXPECT_EQ(r.send(file, 100, 1).value(), EIO);
    }
  }
}

TEST(FdWriterFile, LostReaderGivesEpipe) {
  const auto file = file_of(numbered(file_size));
  for (const bool shared : {false, true}) {
    for (const bool sockets : {false, true}) {
      auto p = sockets ? make_socketpair() : make_pipe();
      send_file_rig r(p.write.get(), shared);
      r.start(file, 0, file_size);
      r.fill(p.read.get(), 60'000);
      EXPECT_FALSE(r.done);
      p.read.reset();
      r.l.finish();
      EXPECT_EQ(r.error.value(), EPIPE) << shared << sockets;
    }
  }
}

TEST(FdWriterFile, StopAbortsASendThatWaitsForTheReader) {
  const auto file = file_of(numbered(file_size));
  for (const bool shared : {false, true}) {
    for (const bool copy_only : {false, true}) {
      auto p = make_pipe();
      send_file_rig r(p.write.get(), shared, copy_only);
      r.start(file, 0, file_size);
      r.fill(p.read.get(), 60'000);
      r.stop = true;
      r.ready.cancel();
      r.l.finish();
      EXPECT_EQ(r.error, asio::error::operation_aborted);
      EXPECT_EQ(r.send(file, 0, 1), asio::error::operation_aborted) << "and what comes after";
    }
  }
}

}  // namespace
}  // namespace nbdstream::test
