// SPDX-License-Identifier: BSD-3-Clause
#include "io/fd_writer.hpp"

#include "loop.hpp"
#include "support/temp_directory.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

namespace nbdstream::test {
namespace {

struct writer_rig {
  loop l;
  io::fd_waiter ready{l.executor()};
  io::worker thread{l.executor()};
  std::atomic<bool> stop = false;
  [[nodiscard]] bool waits() const { return ready.waiting() || thread.busy(); }
  bool done = false;
  error_code error;

  std::unique_ptr<io::fd_writer> writer(int fd, bool shared) {
    return std::make_unique<io::fd_writer>(fd, shared, ready, thread, stop);
  }
};

awaitable<void> write_all(writer_rig& r, io::fd_writer& w, std::string data) {
  r.done = false;
  r.error = co_await w.write(std::as_bytes(std::span(data)));
  r.done = true;
}

awaitable<void> write_zeroes(writer_rig& r, io::fd_writer& w, std::uint64_t count) {
  r.done = false;
  r.error = co_await w.write_zeroes(count);
  r.done = true;
}

/// In pieces of 1, 2, 3, ... bytes: more of them than the system takes at once.
awaitable<void> write_parts(writer_rig& r, io::fd_writer& w, std::string data) {
  std::vector<iovec> parts;
  for (std::size_t at = 0; at < data.size();) {
    const auto size = std::min(parts.size() + 1, data.size() - at);
    parts.push_back({data.data() + at, size});
    at += size;
  }
  r.done = false;
  r.error = co_await w.write_parts(parts);
  r.done = true;
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr std::size_t large_size = 3'000'001;

/// Writes `large_size` bytes to `write`, while a slow reader takes it from `read`.
void expect_intact(int read, int write, bool shared) {
  writer_rig r;
  const auto w = r.writer(write, shared);
  const auto flags = ::fcntl(write, F_GETFL);
  const auto data = numbered(large_size);
  r.l.spawn(write_all(r, *w, data));
  EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
  EXPECT_FALSE(r.done) << "nobody has read yet";
  std::string got;
  EXPECT_TRUE(r.l.until([&] {
    got += drain(read);
    return r.done && got.size() >= data.size();
  }));
  EXPECT_FALSE(r.error) << r.error.message();
  EXPECT_TRUE(got == data);
  if (shared) {
    EXPECT_EQ(::fcntl(write, F_GETFL), flags) << "flags of others";
  }
}

void expect_parts_intact(int read, int write, bool shared) {
  writer_rig r;
  const auto w = r.writer(write, shared);
  const auto data = numbered(large_size);
  r.l.spawn(write_parts(r, *w, data));
  std::string got;
  EXPECT_TRUE(r.l.until([&] {
    got += drain(read);
    return r.done && got.size() >= data.size();
  }));
  EXPECT_FALSE(r.error) << r.error.message();
  EXPECT_TRUE(got == data);
}

TEST(FdWriter, WritesManyPartsToPipesAndSockets) {
  for (const bool shared : {false, true}) {
    auto p = make_pipe();
    expect_parts_intact(p.read.get(), p.write.get(), shared);
    auto s = make_socketpair();
    expect_parts_intact(s.read.get(), s.write.get(), shared);
  }
}

TEST(FdWriter, WritesManyPartsToAFile) {
  const temp_directory t;
  const io::unique_fd file(::open((t / "f").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  writer_rig r;
  const auto w = r.writer(file.get(), false);
  const auto data = numbered(large_size);
  r.l.spawn(write_parts(r, *w, data));
  r.l.finish();
  EXPECT_FALSE(r.error);
  EXPECT_TRUE(contents(t / "f") == data);
}

TEST(FdWriter, LostReaderFailsAWriteOfManyParts) {
  auto p = make_pipe();
  writer_rig r;
  const auto w = r.writer(p.write.get(), false);
  r.l.spawn(write_parts(r, *w, numbered(large_size)));
  EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
  p.read.reset();
  r.l.finish();
  EXPECT_EQ(r.error, from_errno(EPIPE));
}

TEST(FdWriter, WritesToItsOwnPipeUnderBackpressure) {
  auto p = make_pipe();
  expect_intact(p.read.get(), p.write.get(), false);
}

TEST(FdWriter, SharedPipeKeepsItsFlags) {
  auto p = make_pipe();
  expect_intact(p.read.get(), p.write.get(), true);
  EXPECT_FALSE(nonblocking(p.write.get()));
}

TEST(FdWriter, WritesToASharedNonblockingPipe) {
  auto p = make_pipe();
  ::fcntl(p.write.get(), F_SETFL, O_NONBLOCK);
  expect_intact(p.read.get(), p.write.get(), true);
}

TEST(FdWriter, SocketKeepsItsFlags) {
  for (const bool shared : {false, true}) {
    auto s = make_socketpair();
    expect_intact(s.read.get(), s.write.get(), shared);
    EXPECT_FALSE(nonblocking(s.write.get()));
  }
}

TEST(FdWriter, FileIsWrittenOnTheThread) {
  const temp_directory t;
  const io::unique_fd file(::open((t / "f").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  writer_rig r;
  const auto w = r.writer(file.get(), false);
  EXPECT_TRUE(w->blocking());
  const auto data = numbered(large_size);
  r.l.spawn(write_all(r, *w, data));
  r.l.finish();
  r.l.spawn(write_zeroes(r, *w, 1'000'000));
  r.l.finish();
  EXPECT_FALSE(r.error);
  EXPECT_TRUE(contents(t / "f") == data + std::string(1'000'000, '\0'));
}

TEST(FdWriter, WritesAnyNumberOfZeroes) {
  for (const std::uint64_t count : {0, 1, 262'143, 262'144, 262'145, 1'000'000}) {
    auto p = make_pipe();
    writer_rig r;
    const auto w = r.writer(p.write.get(), false);
    r.l.spawn(write_zeroes(r, *w, count));
    std::string got;
    EXPECT_TRUE(r.l.until([&] {
      got += drain(p.read.get());
      return r.done && got.size() >= count;
    }));
    EXPECT_TRUE(got == std::string(count, '\0')) << count;
  }
}

TEST(FdWriter, WritesToDevNull) {
  const io::unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  writer_rig r;
  const auto w = r.writer(null.get(), true);
  r.l.spawn(write_all(r, *w, numbered(large_size)));
  r.l.finish();
  EXPECT_FALSE(r.error);
}

TEST(FdWriter, DevFullGivesEnospc) {
  const io::unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  writer_rig r;
  const auto w = r.writer(full.get(), false);
  r.l.spawn(write_all(r, *w, "data"));
  r.l.finish();
  EXPECT_EQ(r.error.value(), ENOSPC);
}

TEST(FdWriter, LostReaderGivesEpipeAndNoSignal) {
  for (const bool shared : {false, true}) {
    for (const bool sockets : {false, true}) {
      auto p = sockets ? make_socketpair() : make_pipe();
      writer_rig r;
      const auto w = r.writer(p.write.get(), shared);
      r.l.spawn(write_all(r, *w, numbered(large_size)));
      EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
      p.read.reset();
      r.l.finish();
      EXPECT_EQ(r.error.value(), EPIPE) << shared << sockets;
    }
  }
}

TEST(FdWriter, StopAbortsAWriteThatWaitsForTheReader) {
  for (const bool shared : {false, true}) {
    auto p = make_pipe();
    writer_rig r;
    const auto w = r.writer(p.write.get(), shared);
    EXPECT_EQ(w->blocking(), shared);
    r.l.spawn(write_all(r, *w, numbered(large_size)));
    EXPECT_TRUE(r.l.until([&] { return r.waits(); }));
    r.stop = true;
    r.ready.cancel();
    r.l.finish();
    EXPECT_EQ(r.error, asio::error::operation_aborted);
  }
}

}  // namespace
}  // namespace nbdstream::test
