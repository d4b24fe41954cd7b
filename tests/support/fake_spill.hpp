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
#include <string>
#include <utility>
#include <vector>

namespace nbdstream::test {

/// Bytes at their offsets, in pieces that do not overlap.
class kept_bytes {
 public:
  void put(std::uint64_t offset, std::span<const std::byte> data) {
    erase(offset, offset + data.size());
    pieces_.emplace(offset, std::vector(data.begin(), data.end()));
  }
  /// Returns whether all of them are there.
  [[nodiscard]] bool get(std::uint64_t offset, std::span<std::byte> into) const {
    auto piece = pieces_.upper_bound(offset);
    if (piece != pieces_.begin()) --piece;
    for (; !into.empty(); ++piece) {
      if (piece == pieces_.end() || piece->first > offset || end_of(*piece) <= offset) return false;
      const auto from = std::span(piece->second).subspan(offset - piece->first);
      const auto some = from.first(std::min(from.size(), into.size()));
      std::ranges::copy(some, into.begin());
      into = into.subspan(some.size());
      offset += some.size();
    }
    return true;
  }
  void erase(std::uint64_t begin, std::uint64_t end) {
    cut_at(begin);
    cut_at(end);
    pieces_.erase(pieces_.lower_bound(begin), pieces_.lower_bound(end));
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t sum = 0;
    for (const auto& [offset, bytes] : pieces_) sum += bytes.size();
    return sum;
  }

 private:
  using pieces = std::map<std::uint64_t, std::vector<std::byte>>;
  static std::uint64_t end_of(const pieces::value_type& p) { return p.first + p.second.size(); }
  void cut_at(std::uint64_t offset) {
    auto piece = pieces_.lower_bound(offset);
    if (piece == pieces_.begin() || end_of(*--piece) <= offset) return;
    auto& bytes = piece->second;
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(offset - piece->first);
    pieces_.emplace(offset, std::vector(at, bytes.end()));
    bytes.erase(at, bytes.end());
  }
  pieces pieces_;
};

/// What a fake_spill keeps and is told; outlives it.
struct spill_tape {
  kept_bytes bytes;
  std::vector<std::string> calls;  ///< "open", "write", "read"
  std::vector<std::pair<std::uint64_t, std::uint64_t>> given_back;
  std::optional<std::size_t> fail_at;
  std::optional<std::size_t> hangs_at;  ///< until it is abandoned
  io::condition* hanging = nullptr;     ///< of such a call
  int fail_with = EIO;
  bool failed = false;

  /// Lets go a call that hangs.
  void release() {
    hangs_at.reset();
    if (hanging) hanging->notify_all();
  }
};

class fake_spill final : public io::spill {
 public:
  fake_spill(spill_tape& tape, const asio::any_io_executor& executor)
      : tape_(tape), changed_(executor) {}

  awaitable<error_code> open() override { co_return co_await step("open"); }
  awaitable<error_code> write(std::span<const piece> pieces, std::shared_ptr<const void>) override {
    const auto error = co_await step("write");
    if (error) co_return error;
    for (const auto& p : pieces) tape_.bytes.put(p.offset, p.data);
    co_return error_code{};
  }
  awaitable<error_code> read(std::uint64_t offset, std::span<std::byte> into,
                             std::shared_ptr<void>) override {
    const auto error = co_await step("read");
    if (error) co_return error;
    EXPECT_TRUE(tape_.bytes.get(offset, into))
        << "reads what is not there, in " << into.size() << " bytes at " << offset;
    co_return error_code{};
  }
  awaitable<void> give_back(std::uint64_t begin, std::uint64_t end) override {
    co_await asio::post(asio::use_awaitable);
    tape_.given_back.emplace_back(begin, end);
    tape_.bytes.erase(begin, end);
  }
  awaitable<void> discard(std::uint64_t begin, std::uint64_t end) override {
    co_await give_back(begin, end);
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
  awaitable<error_code> step(std::string what) {
    co_await asio::post(asio::use_awaitable);
    if (abandoned_) co_return asio::error::operation_aborted;
    const auto index = tape_.calls.size();
    tape_.calls.push_back(std::move(what));
    while (tape_.hangs_at == index && !abandoned_) {
      tape_.hanging = &changed_;
      co_await changed_.wait();
    }
    tape_.hanging = nullptr;
    if (abandoned_) co_return asio::error::operation_aborted;
    if (tape_.fail_at != index) co_return error_code{};
    tape_.failed = true;
    co_return from_errno(tape_.fail_with);
  }

  spill_tape& tape_;
  io::condition changed_;
  bool abandoned_ = false;
};

}  // namespace nbdstream::test
#endif
