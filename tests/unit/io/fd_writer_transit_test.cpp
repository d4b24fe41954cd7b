// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes of a spill that were handed to a pipe by reference: what may be done to the file, and when.
#include "io/fd_writer.hpp"
#include "io/spill.hpp"
#include "io/spill_file.hpp"
#include "loop.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

namespace nbdstream::test {
namespace {

const auto unit_size = io::give_back_unit();
constexpr std::uint64_t page_size = 4096;
/// What a file may take beside its data: a huge page that it uses a part of.
constexpr std::uint64_t huge_page_slack = 4 << 20;
constexpr std::array transit_directories{"/var/tmp", "/dev/shm"};

awaitable<void> open_spill(io::spill& s, error_code& error) {
  error = co_await s.open();
}

struct transit_rig {
  loop l;
  ends pipe = make_pipe();
  io::fd_waiter ready{l.executor()};
  io::worker thread{l.executor()};
  std::atomic<bool> stop = false;
  std::unique_ptr<io::spill> kept;
  std::unique_ptr<io::fd_writer> writer;
  std::string data;
  std::uint64_t sent = 0;
  bool punch_pages = false;  ///< each page at once, not as the spill would
  error_code error;

  transit_rig(const char* directory, std::size_t size, bool copy_only = false)
      : kept(io::make_spill_file(l.executor(), directory, std::chrono::hours(1))),
        writer(std::make_unique<io::fd_writer>(pipe.write.get(), false, ready, thread, stop,
                                               copy_only)),
        data(numbered(size)) {
    ::fcntl(pipe.write.get(), F_SETPIPE_SZ, 1 << 20);
    l.spawn(open_spill(*kept, error));
    l.finish();
    EXPECT_FALSE(error) << error.message();
    // In one piece, so that the page cache makes its folios as large as it can.
    EXPECT_EQ(io::write_at(kept->descriptor(), 0, std::as_bytes(std::span(data))), 0);
  }
  [[nodiscard]] std::size_t pipe_size() const {
    return static_cast<std::size_t>(::fcntl(pipe.write.get(), F_GETPIPE_SZ));
  }
  [[nodiscard]] std::uint64_t space() const {
    struct stat s {};
    EXPECT_EQ(::fstat(kept->descriptor(), &s), 0);
    return static_cast<std::uint64_t>(s.st_blocks) * 512;
  }
  void send(std::uint64_t offset, std::uint64_t count);
};

awaitable<void> send_file(transit_rig& r, std::uint64_t offset, std::uint64_t count) {
  r.error = co_await r.writer->send_file(r.kept->descriptor(), offset, count);
}

void transit_rig::send(std::uint64_t offset, std::uint64_t count) {
  l.spawn(send_file(*this, offset, count));
  l.finish();
  EXPECT_FALSE(error) << error.message();
}

/// Gives back exactly what is no longer in transit.
awaitable<void> give_back(transit_rig& r) {
  const auto passed = r.sent - r.writer->in_transit();
  if (!r.punch_pages) {
    co_await r.kept->give_back(0, passed);
    co_return;
  }
  const auto whole = passed / page_size * page_size;
  if (whole == 0) co_return;
  EXPECT_EQ(::fallocate(r.kept->descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        static_cast<off_t>(whole)),
            0);
}

awaitable<void> send_all_giving_back(transit_rig& r) {
  constexpr std::uint64_t piece = 777'777;
  while (r.sent < r.data.size() && !r.error) {
    const auto count = std::min(piece, r.data.size() - r.sent);
    co_await send_file(r, r.sent, count);
    r.sent += count;
    co_await give_back(r);
  }
}

void expect_intact_with_a_slow_reader(const char* directory, bool punch_pages) {
  transit_rig r(directory, 2 * unit_size + 12'345);
  r.punch_pages = punch_pages;
  const auto before = r.space();
  std::string got;
  bool stopped = false;
  r.l.spawn(send_all_giving_back(r));
  // The reader stops until the pipe is full, takes an odd amount, and stops again.
  EXPECT_TRUE(r.l.until([&] {
    stopped = r.l.running() == 0;
    if (r.writer->in_transit() + 8 * page_size < r.pipe_size() || stopped) return stopped;
    std::string some(300'001, '\0');
    some.resize(static_cast<std::size_t>(::read(r.pipe.read.get(), some.data(), some.size())));
    got += some;
    return false;
  }));
  EXPECT_FALSE(r.error) << r.error.message();
  EXPECT_GT(r.writer->in_transit(), 0u) << "the reader has stopped before the end";
  EXPECT_EQ(r.sent, r.writer->in_transit() + got.size()) << "and it is told exactly";
  EXPECT_LT(r.space(), before) << "what was read takes no space";
  got += drain(r.pipe.read.get());
  EXPECT_TRUE(got == r.data) << directory;
  EXPECT_EQ(r.writer->in_transit(), 0u);
  r.l.spawn(give_back(r));
  r.l.finish();
  EXPECT_LE(r.space(), huge_page_slack) << "only a part of a block is left";
}

TEST(FdWriterTransit, UnreadBytesStayIntactWhileReadBytesAreGivenBack) {
  for (const auto* const directory : transit_directories) {
    expect_intact_with_a_slow_reader(directory, false);
    expect_intact_with_a_slow_reader(directory, true);
  }
}

TEST(FdWriterTransit, PagesSplicedOnByTheReaderStayIntact) {
  // As pv does: our pipe is empty, but another one holds our pages.
  for (const auto* const directory : transit_directories) {
    transit_rig r(directory, 3 * unit_size);
    const ends next = make_pipe();
    ASSERT_EQ(::fcntl(next.write.get(), F_SETPIPE_SZ, r.pipe_size()),
              static_cast<int>(r.pipe_size()));
    const auto count = r.pipe_size();
    for (const auto offset :
         {unit_size - count / 2, unit_size + 1'003 * page_size, 2 * unit_size - 70 * page_size}) {
      r.send(offset, count);
      EXPECT_EQ(r.writer->in_transit(), count);
      EXPECT_EQ(::splice(r.pipe.read.get(), nullptr, next.write.get(), nullptr, count, 0),
                static_cast<ssize_t>(count));
      EXPECT_EQ(r.writer->in_transit(), 0u) << "which is all that can be known";
      r.sent = offset + count;
      r.l.spawn(give_back(r));
      r.l.finish();
      EXPECT_TRUE(drain(next.read.get()) == r.data.substr(offset, count)) << directory << offset;
    }
    EXPECT_LE(r.space(), unit_size + huge_page_slack);
  }
}

TEST(FdWriterTransit, UnreadBytesOutliveTheFile) {
  for (const auto* const directory : transit_directories) {
    transit_rig r(directory, unit_size);
    const auto count = r.pipe_size();
    r.send(12'345, count - page_size);
    r.kept.reset();
    EXPECT_TRUE(drain(r.pipe.read.get()) == r.data.substr(12'345, count - page_size)) << directory;
  }
}

/// Sends a part of a file, overwrites that part, and returns whether the reader sees it.
bool shows_what_comes_after(const char* directory, bool copy_only) {
  transit_rig r(directory, 100'000, copy_only);
  r.send(5, 50'000);
  EXPECT_EQ(r.writer->in_transit(), copy_only ? 0u : 50'000u);
  const std::string other(100'000, '!');
  EXPECT_EQ(io::write_at(r.kept->descriptor(), 0, std::as_bytes(std::span(other))), 0);
  return drain(r.pipe.read.get()) != r.data.substr(5, 50'000);
}

TEST(FdWriterTransit, OverwritingIsSafeOnlyAfterACopy) {
  for (const auto* const directory : transit_directories) {
    EXPECT_FALSE(shows_what_comes_after(directory, true));
    EXPECT_TRUE(shows_what_comes_after(directory, false)) << "nothing was saved by reference";
  }
}

TEST(FdWriterTransit, TransitIsUnknownAfterThePipeIsClosed) {
  transit_rig r("/dev/shm", 100'000);
  EXPECT_EQ(r.writer->in_transit(), 0u);
  r.send(0, 10);
  EXPECT_EQ(r.writer->in_transit(), 10u);
  r.pipe.write.reset();
  EXPECT_EQ(r.writer->in_transit(), UINT64_MAX);
}

}  // namespace
}  // namespace nbdstream::test
