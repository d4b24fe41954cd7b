// SPDX-License-Identifier: BSD-3-Clause
#include "server/spill_store.hpp"

#include <fmt/format.h>

#include <utility>

namespace nbdstream {
namespace {

/// Space is given back in pieces of this size or more.
constexpr std::uint64_t give_back_batch = 4 << 20;  // bytes

}  // namespace

awaitable<sink::failure> spill_store::open() {
  if (open_) co_return sink::failure{};
  const auto turn = co_await opening_.wait_and_enter();
  if (open_) co_return sink::failure{};
  if (abandoned_) co_return sink::failure{asio::error::operation_aborted, "cancelled"};
  file_ = settings_.make();
  const auto file = file_;
  const auto error = co_await file->open();
  if (error) {
    co_return sink::failure{error,
                            fmt::format("the spill file cannot be made in {}: {}; give another "
                                        "directory with --spill-directory",
                                        settings_.directory, error.message())};
  }
  open_ = true;
  co_return sink::failure{};
}

awaitable<error_code> spill_store::write(std::span<const io::spill::piece> pieces,
                                         std::shared_ptr<const void> owner) {
  const auto file = file_;
  co_return co_await file->write(pieces, std::move(owner));
}

awaitable<error_code> spill_store::read(std::uint64_t offset, std::span<std::byte> into,
                                        std::shared_ptr<void> owner) {
  const auto file = file_;
  co_return co_await file->read(offset, into, std::move(owner));
}

awaitable<void> spill_store::discard(std::uint64_t begin, std::uint64_t end) {
  if (!open_ || abandoned_) co_return;
  const auto file = file_;
  co_await file->discard(begin, end);
}

awaitable<void> spill_store::give_back_before(std::uint64_t cursor) {
  if (cursor < given_back_to_ + give_back_batch) co_return;
  if (!open_ || abandoned_) co_return;
  const auto file = file_;
  co_await file->give_back(std::exchange(given_back_to_, cursor), cursor);
}

void spill_store::abandon() {
  abandoned_ = true;
  if (file_) file_->abandon();
}

void spill_store::close() {
  abandon();
  file_.reset();
  open_ = false;
}

}  // namespace nbdstream
