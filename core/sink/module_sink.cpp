// SPDX-License-Identifier: BSD-3-Clause
#include "sink/module_sink.hpp"

#include "io/spill_file.hpp"
#include "io/zeroes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace nbdstream::sink {
namespace {

constexpr std::size_t buffer_size = 256 << 10;  // bytes

/// When a module that asked to be called again wants that at the latest. It may say any time.
io::clock::time_point wake_at(const nbdstream_wait& wait) {
  constexpr std::int64_t a_year = std::int64_t{365} * 24 * 3600 * 1'000'000'000;
  if (wait.timeout_ns < 0) return io::clock::time_point::max();
  return io::clock::now() + std::chrono::nanoseconds(std::min(wait.timeout_ns, a_year));
}

}  // namespace

module_sink::module_sink(const asio::any_io_executor& executor, module m, settings options,
                         io::clock::duration grace, const log::context& log, bool copy_only)
    : module_(std::move(m)),
      grace_(grace),
      name_(fmt::format("sink {}", module_.table.name)),
      host_(executor, std::move(options), log.inside(name_), [this] { look(); }),
      ready_(executor),
      thread_(executor),
      idle_(executor),
      copy_only_(copy_only) {
  const int result = module_.table.create(&host_.table(), &self_);
  if (result >= 0) return;
  const auto why = to_failure(result).why;
  throw create_error(fmt::format("sink {}: {}", module_.table.name, why));
}

module_sink::~module_sink() {
  module_.table.destroy(self_);
}

failure module_sink::to_failure(std::int64_t result) {
  if (result >= 0) return {};
  may_check_ = false;
  if (result == -ECANCELED) {
    if (trouble_) return *trouble_;
    return {asio::error::operation_aborted, "cancelled"};
  }
  const auto code = from_errno(static_cast<int>(-result));
  auto why = host_.take_explanation();
  return {code, why.empty() ? code.message() : std::move(why)};
}

failure module_sink::write_failure(error_code error) {
  if (!error) return {};
  may_check_ = false;
  if (trouble_) return *trouble_;
  const auto what =
      error == boost::system::errc::broken_pipe ? "the reader went away" : "writing failed";
  return {error, fmt::format("sink {}: {}: {}", module_.table.name, what, error.message())};
}

void module_sink::look() {
  if (calling_) {
    woken_ = true;
    return ready_.cancel();
  }
  if (!may_check_ || !module_.table.check) return;
  host_.begin_call();
  const int result = module_.table.check(self_);
  if (result >= 0) return;
  trouble_ = to_failure(result);
  cancel();  // what is written to a lent descriptor, and all that comes
  if (announce_to_) announce_to_->notify_all();
}

awaitable<std::int64_t> module_sink::perform(nbdstream_sink_blocking phase, const call& c,
                                             io::clock::time_point until) {
  const bool blocks = module_.table.blocking & phase;
  const bool bounded = until != io::clock::time_point::max();  // an abort, which nothing cancels
  const under_way now(*this);
  host_.begin_call();
  for (;;) {
    nbdstream_wait wait{};
    const call once = [&]() -> std::int64_t {
      const auto result = c();
      if (result != -EAGAIN) return result;
      wait.struct_size = sizeof wait;
      wait.fd = -1;
      wait.timeout_ns = -1;
      // The module's promise: who says -EAGAIN also says what to wait for.
      if (!module_.table.wait_for || module_.table.wait_for(self_, &wait) < 0 ||
          (wait.fd < 0 && wait.timeout_ns < 0)) {
        host_.explain("it asked to be called again, but did not say when");
        return -EPROTO;
      }
      return result;
    };
    if (cancelled_ && !bounded) co_return -ECANCELED;
    std::int64_t result = 0;
    if (blocks) {
      module_blocks_ = true;
      result = co_await thread_.run(once);
      module_blocks_ = false;
    } else {
      result = once();
    }
    if (result != -EAGAIN) co_return result;
    if (cancelled_ && !bounded) co_return -ECANCELED;
    if (io::clock::now() >= until) co_return -ETIMEDOUT;
    if (std::exchange(woken_, false)) continue;
    co_await ready_.wait(wait.fd, wait.events, std::min(until, wake_at(wait)));
  }
}

awaitable<std::int64_t> module_sink::perform(nbdstream_sink_blocking phase, const call& c) {
  if (cancelled_) co_return -ECANCELED;
  co_return co_await perform(phase, c, io::clock::time_point::max());
}

awaitable<failure> module_sink::open(const stream_info& stream) {
  const operation busy(*this);
  nbdstream_stream info{};
  info.struct_size = sizeof info;
  if (stream.size) info.flags |= NBDSTREAM_STREAM_SIZE_KNOWN;
  if (stream.size && stream.size_is_exact) info.flags |= NBDSTREAM_STREAM_SIZE_EXACT;
  info.id = stream.id;
  info.size = stream.size.value_or(0);
  info.export_name = stream.export_name.c_str();
  info.unique_id = stream.unique_id.c_str();
  info.began_ns = std::chrono::nanoseconds(stream.began.time_since_epoch()).count();
  host_.begin_stream(stream.id);
  const call open_it = [&] { return module_.table.open(self_, &info); };
  const auto result = co_await perform(NBDSTREAM_BLOCKING_OPEN, open_it);
  if (result >= 0) borrow_descriptor();
  may_check_ = result >= 0;
  co_return to_failure(result);
}

void module_sink::borrow_descriptor() {
  referenced_ = false;
  if (!module_.table.native_fd) return;
  std::uint32_t flags = 0;
  const int fd = module_.table.native_fd(self_, &flags);
  if (fd >= 0)
    lent_.emplace(fd, flags & NBDSTREAM_FD_SHARED, ready_, thread_, cancelled_, copy_only_);
}

void module_sink::return_descriptor() {
  if (lent_) referenced_ = lent_->in_transit() > 0;
  lent_.reset();
}

std::uint64_t module_sink::in_transit() const noexcept {
  if (lent_) return lent_->in_transit();
  return referenced_ ? UINT64_MAX : 0;
}

awaitable<failure> module_sink::wait_until_taken() {
  if (!lent_) co_return failure{};
  const operation busy(*this);
  const auto error = co_await lent_->wait_until_taken();
  co_return write_failure(error);
}

awaitable<failure> module_sink::flush() {
  if (!module_.table.flush) co_return failure{};
  const operation busy(*this);
  const call flush_it = [&] { return module_.table.flush(self_); };
  const auto result = co_await perform(NBDSTREAM_BLOCKING_WRITE, flush_it);
  co_return to_failure(result);
}

awaitable<failure> module_sink::commit(std::uint64_t length) {
  const operation busy(*this);
  return_descriptor();
  may_check_ = false;
  host_.begin_commit();
  const call commit_it = [&] { return module_.table.commit(self_, length); };
  const auto result = co_await perform(NBDSTREAM_BLOCKING_FINISH, commit_it);
  host_.end_commit();
  if (result >= 0) cancelled_ = false;  // that came too late
  co_return to_failure(result);
}

awaitable<void> module_sink::abort() {
  cancel();
  while (activity_ != activity::none) co_await idle_.wait();
  const operation busy(*this, activity::aborting);
  return_descriptor();
  may_check_ = false;
  const call abort_it = [&] { return module_.table.abort(self_); };
  const auto until = io::clock::now() + grace_;
  const auto result = co_await perform(NBDSTREAM_BLOCKING_FINISH, abort_it, until);
  if (result < 0) host_.log_now().warning("abort: {}", to_failure(result).why);
  trouble_.reset();
  cancelled_ = false;
}

void module_sink::cancel() {
  cancelled_ = true;
  ready_.cancel();
  thread_.interrupt([this] {
    // Otherwise it is our own write to a lent descriptor, which looks at cancelled_.
    if (module_blocks_ && module_.table.interrupt) module_.table.interrupt(self_);
  });
}

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
  if (!lent_) co_return co_await write_gathered(parts);
  const operation busy(*this);
  const auto error = co_await lent_->write_parts(parts);
  co_return write_failure(error);
}

/// Each call of a module may be one of its thread's: small pieces are copied into one.
awaitable<failure> module_sink::write_gathered(std::span<iovec> parts) {
  std::size_t size = 0;
  for (const auto& part : parts) size += part.iov_len;
  if (size > buffer_size) co_return co_await sink::write_parts(parts);
  if (!buffer_) buffer_ = std::make_shared_for_overwrite<std::byte[]>(buffer_size);
  auto* to = buffer_.get();
  for (const auto& part : parts) {
    std::memcpy(to, part.iov_base, part.iov_len);
    to += part.iov_len;
  }
  const std::span<const std::byte> all(buffer_.get(), size);
  co_return co_await write(all);
}

awaitable<failure> module_sink::write_zeroes(std::uint64_t count) {
  // The null device takes zeroes at no cost, while to ask the module may take its thread.
  const bool asks = module_.table.zero && !(lent_ && lent_->discards());
  while (count > 0 && asks) {
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
  host_.begin_call();
  co_return to_failure(result);
}

awaitable<failure> module_sink::write_file(int from, std::uint64_t offset, std::uint64_t count) {
  if (lent_) {
    const operation busy(*this);
    const auto error = co_await lent_->send_file(from, offset, count);
    co_return write_failure(error);
  }
  if (!buffer_) buffer_ = std::make_shared_for_overwrite<std::byte[]>(buffer_size);
  while (count > 0) {
    const std::span piece(buffer_.get(), std::min<std::uint64_t>(count, buffer_size));
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
