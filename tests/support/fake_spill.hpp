// SPDX-License-Identifier: BSD-3-Clause
//
// A spill in memory, whose Nth call fails as it is told, and which forgets what was given back.
#ifndef NBDSTREAM_TESTS_SUPPORT_FAKE_SPILL_HPP
#define NBDSTREAM_TESTS_SUPPORT_FAKE_SPILL_HPP

#include "io/spill.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace nbdstream::test {

/// What a fake_spill keeps and is told; outlives it.
struct spill_tape {
  std::map<std::uint64_t, std::byte> bytes;
  std::size_t calls = 0;  ///< the opening, writes and reads
  std::optional<std::size_t> fail_at;
  std::optional<std::size_t> hangs_at;  ///< until it is abandoned
  bool hanging = false;                 ///< in such a call
  int fail_with = EIO;
  bool failed = false;

  [[nodiscard]] bool fails() {
    const bool now = fail_at == calls++;
    failed = failed || now;
    return now;
  }
};

class fake_spill final : public io::spill {
 public:
  fake_spill(spill_tape& tape, const asio::any_io_executor& executor)
      : tape_(tape), changed_(executor) {}

  awaitable<error_code> open() override { co_return co_await step(); }
  awaitable<error_code> write(std::uint64_t offset, std::span<const std::byte> data,
                              std::shared_ptr<const void>) override {
    const auto error = co_await step();
    if (error) co_return error;
    for (const auto b : data) tape_.bytes[offset++] = b;
    co_return error_code{};
  }
  awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into,
                             std::shared_ptr<void>) override {
    const auto error = co_await step();
    if (error) co_return error;
    for (auto& b : into) {
      const auto found = tape_.bytes.find(offset++);
      EXPECT_NE(found, tape_.bytes.end()) << "reads what is not there, at " << offset - 1;
      b = found == tape_.bytes.end() ? std::byte{0} : found->second;
    }
    co_return error_code{};
  }
  awaitable<void> give_back(std::uint64_t begin, std::uint64_t end) override {
    co_await asio::post(asio::use_awaitable);
    tape_.bytes.erase(tape_.bytes.lower_bound(begin), tape_.bytes.lower_bound(end));
  }
  void abandon() override {
    abandoned_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] int descriptor() const noexcept override { return -1; }

  /// For spill_store::settings::make.
  static std::function<std::unique_ptr<io::spill>()> maker(spill_tape& tape,
                                                           asio::any_io_executor executor) {
    return [&tape, executor] { return std::make_unique<fake_spill>(tape, executor); };
  }

 private:
  /// One call of the system.
  awaitable<error_code> step() {
    co_await asio::post(asio::use_awaitable);
    if (tape_.hangs_at == tape_.calls) {
      tape_.hanging = true;
      while (!abandoned_) co_await changed_.wait();
    }
    if (abandoned_) co_return asio::error::operation_aborted;
    co_return tape_.fails() ? from_errno(tape_.fail_with) : error_code{};
  }

  spill_tape& tape_;
  io::condition changed_;
  bool abandoned_ = false;
};

}  // namespace nbdstream::test
#endif
