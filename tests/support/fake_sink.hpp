// SPDX-License-Identifier: BSD-3-Clause
//
// A sink in memory: keeps what it got, fails or waits where it is told to, and complains when the
// server breaks the contract of sink/sink.hpp.
#ifndef NBDSTREAM_TESTS_SUPPORT_FAKE_SINK_HPP
#define NBDSTREAM_TESTS_SUPPORT_FAKE_SINK_HPP

#include "io/condition.hpp"
#include "io/pipe.hpp"
#include "sink/sink.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace nbdstream::test {

/// How large payloads come to a sink.
enum class data_path {
  copied,          ///< in memory
  spliced,         ///< as into a pipe
  spliced_unseen,  ///< as into a file: what has left the socket is known afterwards
};

inline constexpr std::array all_paths{data_path::copied, data_path::spliced,
                                      data_path::spliced_unseen};

inline std::string name_of(const ::testing::TestParamInfo<data_path>& path) {
  constexpr std::array names{"Copied", "Spliced", "SplicedUnseen"};
  return names[static_cast<std::size_t>(path.param)];
}

/// What a fake_sink remembers and is told; outlives it.
struct sink_tape {
  struct stream {
    sink::stream_info info;
    std::string data;
    int commits = 0;  ///< successful ones
    int aborts = 0;
    std::uint64_t length = 0;  ///< as the commit said
  };
  std::vector<stream> streams;
  std::vector<std::string>
      calls;  ///< "open", "write", "parts", "splice", "file", "zeroes", "flush", "commit", "abort"

  std::optional<std::size_t> fail_at;  ///< the index in `calls` that fails
  int fail_with = EIO;
  bool cancelled_by_itself = false;  ///< that failure says operation_aborted

  data_path path = data_path::copied;
  std::optional<std::size_t> unsupported_at;  ///< the index of a splice that does not work
  std::uint64_t spliced = 0;                  ///< bytes that came by splice

  std::string hold;      ///< this call waits until it is empty, or it is cancelled
  bool deaf = false;     ///< it does not even heed that it is cancelled
  bool waiting = false;  ///< in such a call
  bool flushes = true;
  std::uint64_t in_transit = 0;
  std::optional<std::uint64_t> acknowledged;

  [[nodiscard]] std::string data() const {
    return streams.empty() ? std::string() : streams.back().data;
  }
  /// Whether each stream that was opened ended in exactly one of commit and abort.
  [[nodiscard]] bool all_ended_once() const {
    for (const auto& s : streams) {
      if (s.commits + s.aborts != 1) return false;
    }
    return true;
  }
  [[nodiscard]] std::size_t commits() const {
    std::size_t count = 0;
    for (const auto& s : streams) count += s.commits == 1 ? 1 : 0;
    return count;
  }
};

class fake_sink final : public sink::sink {
 public:
  fake_sink(const asio::any_io_executor& executor, sink_tape& tape)
      : tape_(tape), changed_(executor) {}

  awaitable<nbdstream::sink::failure> open(const nbdstream::sink::stream_info& info) override {
    EXPECT_FALSE(open_) << "open of a sink that is open";
    tape_.streams.push_back({info, {}, 0, 0, 0});
    open_ = true;
    co_return co_await step("open");
  }
  awaitable<nbdstream::sink::failure> write(std::span<const std::byte> data) override {
    EXPECT_FALSE(data.empty());
    auto failed = co_await step("write");
    if (!failed)
      tape_.streams.back().data.append(reinterpret_cast<const char*>(data.data()), data.size());
    co_return failed;
  }
  awaitable<nbdstream::sink::failure> write_parts(std::span<iovec> parts) override {
    auto failed = co_await step("parts");
    for (const auto& part : parts) {
      EXPECT_GT(part.iov_len, 0u);
      if (!failed)
        tape_.streams.back().data.append(static_cast<const char*>(part.iov_base), part.iov_len);
    }
    co_return failed;
  }
  awaitable<nbdstream::sink::failure> write_zeroes(std::uint64_t count) override {
    EXPECT_GT(count, 0u);
    auto failed = co_await step("zeroes");
    if (!failed) tape_.streams.back().data.append(count, '\0');
    co_return failed;
  }
  awaitable<nbdstream::sink::failure> write_file(int from, std::uint64_t offset,
                                                 std::uint64_t count) override {
    EXPECT_GT(count, 0u);
    auto failed = co_await step("file");
    if (!failed) {
      std::string data(count, '\0');
      EXPECT_EQ(::pread(from, data.data(), count, static_cast<off_t>(offset)),
                static_cast<ssize_t>(count))
          << "the file does not have what it is said to";
      tape_.streams.back().data += data;
    }
    co_return failed;
  }
  [[nodiscard]] std::uint64_t in_transit() const noexcept override { return tape_.in_transit; }
  awaitable<nbdstream::sink::failure> flush() override { co_return co_await step("flush"); }

  awaitable<nbdstream::sink::failure> commit(std::uint64_t length) override {
    auto failed = co_await step("commit");
    if (!failed) {
      EXPECT_EQ(length, tape_.streams.back().data.size()) << "the length is not what was sent";
      ++tape_.streams.back().commits;
      tape_.streams.back().length = length;
      open_ = false;
    }
    co_return failed;
  }
  awaitable<void> abort() override {
    EXPECT_TRUE(open_) << "abort of a sink that is not open";
    cancel();
    while (busy_) co_await changed_.wait();
    aborting_ = true;
    tape_.calls.emplace_back("abort");
    while (tape_.hold == "abort") co_await changed_.wait();
    aborting_ = false;
    if (!tape_.streams.empty()) ++tape_.streams.back().aborts;
    open_ = false;
    trouble_.reset();
    cancelled_ = false;
  }
  void cancel() override {
    cancelled_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool splices() const noexcept override {
    return tape_.path != data_path::copied && !cannot_splice_;
  }
  [[nodiscard]] bool splices_unseen() const noexcept override {
    return tape_.path == data_path::spliced_unseen;
  }
  awaitable<io::splice_result> splice(int socket, std::uint64_t count) override {
    EXPECT_GT(count, 0u);
    EXPECT_TRUE(splices());
    io::splice_result did;
    did.unsupported = cannot_splice_ = tape_.unsupported_at == tape_.calls.size();
    if (did.unsupported) count = 0;
    const bool unseen = splices_unseen();
    moved m;
    if (unseen) m = move(socket, count);
    const auto failed = co_await step("splice");
    // Some of it may have come before the failure.
    if (!unseen) m = move(socket, failed ? count / 2 : count);
    did.moved = m.bytes.size();
    if (failed) {
      did = {failed.code, failed.why, did.moved};
    } else if (m.error != 0 && m.error != EAGAIN) {
      did.error = from_errno(m.error);
    } else {
      did.source_empty = did.moved == 0 && m.error == EAGAIN;
    }
    tape_.spliced += did.moved;
    const bool lost = unseen && failed;
    if (!lost) tape_.streams.back().data += m.bytes;
    co_return did;
  }
  [[nodiscard]] std::optional<std::uint64_t> acknowledged() const noexcept override {
    return tape_.acknowledged;
  }
  [[nodiscard]] const nbdstream::sink::failure* trouble() const noexcept override {
    return trouble_ ? &*trouble_ : nullptr;
  }
  void announce_trouble(io::condition& to) override { announce_to_ = &to; }
  [[nodiscard]] std::string_view name() const noexcept override { return "sink fake"; }
  [[nodiscard]] activity busy() const noexcept override {
    if (aborting_) return activity::aborting;
    return busy_ ? activity::working : activity::none;
  }
  [[nodiscard]] bool flushes() const noexcept override { return tape_.flushes; }

  /// It finds out by itself that its stream cannot be completed.
  void find_out(std::string why) {
    trouble_ = {from_errno(EPIPE), std::move(why)};
    cancel();
    announce_to_->notify_all();
  }
  /// Lets go a call that waits; from now on `next` does.
  void release(std::string next = {}) {
    tape_.hold = std::move(next);
    changed_.notify_all();
  }

 private:
  /// What was moved, and why no more was: an errno, or 0 at the end of the socket.
  struct moved {
    std::string bytes;
    int error = 0;
  };
  /// Splices from the socket into the pipe, and reads that empty.
  moved move(int socket, std::uint64_t count) {
    if (!pipe_.in) pipe_ = io::make_pipe(O_NONBLOCK);
    moved m;
    while (m.bytes.size() < count) {
      const auto n = ::splice(socket, nullptr, pipe_.in.get(), nullptr, count - m.bytes.size(),
                              SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      m.error = n < 0 ? errno : 0;
      if (n <= 0) break;
      const auto had = m.bytes.size();
      m.bytes.resize(had + static_cast<std::size_t>(n));
      EXPECT_EQ(::read(pipe_.out.get(), m.bytes.data() + had, static_cast<std::size_t>(n)), n);
    }
    return m;
  }

  awaitable<nbdstream::sink::failure> step(std::string what) {
    EXPECT_TRUE(open_) << what << " of a sink that is not open";
    EXPECT_FALSE(busy_) << what << " while another call is under way";
    busy_ = true;
    const auto index = tape_.calls.size();
    tape_.calls.push_back(what);
    while (tape_.hold == what && (!cancelled_ || tape_.deaf)) {
      tape_.waiting = true;
      co_await changed_.wait();
    }
    tape_.waiting = false;
    busy_ = false;
    changed_.notify_all();
    nbdstream::sink::failure result;
    if (trouble_) {
      result = *trouble_;
    } else if (cancelled_) {
      result = {asio::error::operation_aborted, "cancelled"};
    } else if (tape_.fail_at == index) {
      result = {from_errno(tape_.fail_with), "told to fail"};
      if (tape_.cancelled_by_itself) result.code = asio::error::operation_aborted;
    }
    co_return result;
  }

  sink_tape& tape_;
  io::condition changed_;
  bool open_ = false;
  std::optional<nbdstream::sink::failure> trouble_;
  io::condition* announce_to_ = nullptr;
  io::pipe_ends pipe_;  ///< what is spliced passes through it
  bool cannot_splice_ = false;
  bool busy_ = false;
  bool aborting_ = false;
  bool cancelled_ = false;
};

}  // namespace nbdstream::test
#endif
