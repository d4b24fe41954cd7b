// SPDX-License-Identifier: BSD-3-Clause
//
// The bytes of a stream on their way into a module, or into the descriptor that it lends.
#include "sink/module_sink.hpp"

#include "io/spill_file.hpp"
#include "io/zeroes.hpp"

#include <algorithm>

namespace nbdstream::sink {

awaitable<failure> module_sink::write(std::span<const std::byte> data) {
  const operation busy(*this);
  if (lent_) {
    const auto error = co_await lent_->write(data);
    co_return write_failure(error);
  }
  while (!data.empty()) {
    const call write_some = [&]() -> std::int64_t {
      return module_.table.write ? module_.table.write(self_, data.data(), data.size()) : -EPROTO;
    };
    const auto n = co_await perform(NBDSTREAM_BLOCKING_WRITE, write_some);
    if (n < 0) co_return to_failure(n);
    if (n == 0 || static_cast<std::uint64_t>(n) > data.size()) co_return to_failure(-EPROTO);
    data = data.subspan(static_cast<std::size_t>(n));
  }
  co_return failure{};
}

awaitable<failure> module_sink::write_parts(std::span<iovec> parts) {
  if (!lent_) co_return co_await sink::write_parts(parts);
  const operation busy(*this);
  const auto error = co_await lent_->write_parts(parts);
  co_return write_failure(error);
}

awaitable<failure> module_sink::write_zeroes(std::uint64_t count) {
  while (count > 0 && module_.table.zero) {
    const operation busy(*this);
    const call zero_some = [&] { return module_.table.zero(self_, count); };
    const auto n = co_await perform(NBDSTREAM_BLOCKING_WRITE, zero_some);
    if (n == -ENOTSUP) break;
    if (n < 0) co_return to_failure(n);
    if (n == 0 || static_cast<std::uint64_t>(n) > count) co_return to_failure(-EPROTO);
    count -= static_cast<std::uint64_t>(n);
  }
  if (lent_) {
    const operation busy(*this);
    const auto error = co_await lent_->write_zeroes(count);
    co_return write_failure(error);
  }
  while (count > 0) {
    const auto piece = io::zero_piece(count);
    auto failed = co_await write(piece);
    if (failed) co_return failed;
    count -= piece.size();
  }
  co_return failure{};
}

awaitable<failure> module_sink::read_file(int from, std::uint64_t offset, std::size_t count) {
  const operation busy(*this);
  if (cancelled_) co_return to_failure(-ECANCELED);
  io::worker::job job = [buffer = buffer_, from, offset, count] {
    return io::read_at(from, offset, std::span(buffer.get(), count));
  };
  const auto result = co_await thread_.run(std::move(job));
  explanation_.clear();
  co_return to_failure(result);
}

awaitable<failure> module_sink::write_file(int from, std::uint64_t offset, std::uint64_t count) {
  if (lent_) {
    const operation busy(*this);
    const auto error = co_await lent_->send_file(from, offset, count);
    co_return write_failure(error);
  }
  constexpr std::size_t most = 256 << 10;
  if (!buffer_) buffer_ = std::make_shared_for_overwrite<std::byte[]>(most);
  while (count > 0) {
    const std::span piece(buffer_.get(), std::min<std::uint64_t>(count, most));
    auto unread = co_await read_file(from, offset, piece.size());
    if (unread) co_return unread;
    auto failed = co_await write(piece);
    if (failed) co_return failed;
    offset += piece.size();
    count -= piece.size();
  }
  co_return failure{};
}

awaitable<io::splice_result> module_sink::splice(int socket, std::uint64_t count) {
  const operation busy(*this);
  auto did = co_await lent_->splice(socket, count);
  if (did.error) did.why = write_failure(did.error).why;
  co_return did;
}

}  // namespace nbdstream::sink
