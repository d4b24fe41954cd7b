// SPDX-License-Identifier: BSD-3-Clause
//
// A spill in memory, whose Nth call fails as it is told, and which forgets what was given back.
#ifndef NBDSTREAM_TESTS_SUPPORT_FAKE_SPILL_HPP
#define NBDSTREAM_TESTS_SUPPORT_FAKE_SPILL_HPP

#include "io/spill.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

namespace nbdstream::test {

/// What a fake_spill keeps and is told; outlives it.
struct spill_tape {
  std::map<std::uint64_t, std::byte> bytes;
  std::size_t calls = 0;  ///< the opening, writes and reads
  std::optional<std::size_t> fail_at;
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
  explicit fake_spill(spill_tape& tape) : tape_(tape) {}

  awaitable<error_code> write(std::uint64_t offset, std::span<const std::byte> data) override {
    co_await asio::post(asio::use_awaitable);
    if (tape_.fails()) co_return from_errno(tape_.fail_with);
    for (const auto b : data) tape_.bytes[offset++] = b;
    co_return error_code{};
  }
  awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into) override {
    co_await asio::post(asio::use_awaitable);
    if (tape_.fails()) co_return from_errno(tape_.fail_with);
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
  [[nodiscard]] int descriptor() const noexcept override { return -1; }

  /// For nbd_export::settings::open_spill.
  static std::function<io_result<std::unique_ptr<io::spill>>()> opener(spill_tape& tape) {
    return [&tape]() -> io_result<std::unique_ptr<io::spill>> {
      if (tape.fails()) return from_errno(tape.fail_with);
      return std::make_unique<fake_spill>(tape);
    };
  }

 private:
  spill_tape& tape_;
};

}  // namespace nbdstream::test
#endif
