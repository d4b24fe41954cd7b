// SPDX-License-Identifier: BSD-3-Clause
#include "restore/nbd_connection.hpp"

#include "restore/failure.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace nbdstream::restore {

nbd_connection::nbd_connection(std::string uri, const stop_signals& signals)
    : uri_(std::move(uri)), signals_(signals), handle_(::nbd_create()) {
  if (!handle_) fail();
  for (auto& r : requests_) r.owner = this;
  // The keys that a URI names are the user's own.
  check(::nbd_set_uri_allow_local_file(handle(), true));
  check(::nbd_aio_connect_uri(handle(), uri_.c_str()));
  while (::nbd_aio_is_connecting(handle()) > 0) turn();
  if (::nbd_aio_is_ready(handle()) <= 0) fail();
}

void nbd_connection::write(std::uint64_t offset, std::span<const std::byte> data) {
  auto& r = take(offset, offset + data.size());
  r.data.assign(data.begin(), data.end());
  check(::nbd_aio_pwrite(handle(), r.data.data(), r.data.size(), offset, completion(r), 0));
}

void nbd_connection::zero(std::uint64_t offset, std::uint64_t length) {
  auto& r = take(offset, offset + length);
  check(::nbd_aio_zero(handle(), length, offset, completion(r), 0));
}

void nbd_connection::flush() {
  drain();
  if (::nbd_can_flush(handle()) <= 0) return;
  auto& r = take(0, 0);
  check(::nbd_aio_flush(handle(), completion(r), 0));
  drain();
}

void nbd_connection::read(std::uint64_t offset, std::span<std::byte> into) {
  drain();
  auto& r = take(offset, offset + into.size());
  check(::nbd_aio_pread(handle(), into.data(), into.size(), offset, completion(r), 0));
  drain();
}

void nbd_connection::close() {
  drain();
  check(::nbd_aio_disconnect(handle(), 0));
  // A server that hangs up without an answer has had it all the same.
  while (::nbd_aio_is_closed(handle()) == 0 && ::nbd_aio_is_dead(handle()) == 0) {
    if (::nbd_aio_get_fd(handle()) < 0) return;
    try {
      turn();
    } catch (const failure&) {
      return;
    }
  }
}

/// libnbd has the answer. 1: it may forget the request.
int nbd_connection::on_done(void* which, int* error) {
  auto& r = *static_cast<request*>(which);
  r.busy = false;
  if (*error != 0) r.owner->error_ = *error;
  return 1;
}

/// Before it is sent: the answer may come inside of the call that sends it.
nbd_completion_callback nbd_connection::completion(request& of) noexcept {
  of.busy = true;
  return {.callback = on_done, .user_data = &of, .free = nullptr};
}

/// A place for a request of [begin, end), which nothing in flight overlaps.
nbd_connection::request& nbd_connection::take(std::uint64_t begin, std::uint64_t end) {
  signals_.check();
  while (overlaps(begin, end)) turn();
  for (;;) {
    if (error_ != 0) drain();
    const auto free =
        std::find_if(requests_.begin(), requests_.end(), [](const request& r) { return !r.busy; });
    if (free != requests_.end()) {
      free->begin = begin;
      free->end = end;
      return *free;
    }
    turn();
  }
}

bool nbd_connection::overlaps(std::uint64_t begin, std::uint64_t end) const noexcept {
  return std::any_of(requests_.begin(), requests_.end(),
                     [&](const request& r) { return r.busy && r.begin < end && begin < r.end; });
}

/// Every request has been answered, and none with an error.
void nbd_connection::drain() {
  while (std::any_of(requests_.begin(), requests_.end(), [](auto& r) { return r.busy; })) turn();
  if (error_ == 0) return;
  throw failure(uri_ + ": the server answers: " + std::system_category().message(error_));
}

/// Waits for the socket, and lets libnbd do what can be done then.
void nbd_connection::turn() {
  const auto direction = ::nbd_aio_get_direction(handle());
  const int fd = ::nbd_aio_get_fd(handle());
  if (fd < 0) fail();
  const bool reads = (direction & LIBNBD_AIO_DIRECTION_READ) != 0;
  const bool writes = (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0;
  const auto events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
  const int ready = signals_.wait(fd, static_cast<short>(events));
  const bool broken = (ready & (POLLERR | POLLHUP | POLLNVAL)) != 0;
  if (reads && ((ready & POLLIN) != 0 || broken)) return check(::nbd_aio_notify_read(handle()));
  if (writes) check(::nbd_aio_notify_write(handle()));
}

void nbd_connection::check(std::int64_t result) const {
  if (result < 0) fail();
}

void nbd_connection::fail() const {
  const char* const why = ::nbd_get_error();
  throw failure(uri_ + ": " + (why != nullptr ? why : "the connection has failed"));
}

}  // namespace nbdstream::restore
