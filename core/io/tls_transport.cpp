// SPDX-License-Identifier: BSD-3-Clause
#include "io/tls_openssl.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace nbdstream::io {
namespace {

/// What is on its way between OpenSSL and the connection, in each direction.
constexpr std::size_t ring = 64 << 10;  // bytes

/// A record of TLS: at most so much payload, and less than so much around it.
constexpr std::size_t record = 16 << 10;  // bytes
constexpr std::size_t record_overhead = 512;

/// The least that one adds, and the least that it is with a request in it (28 bytes): what is
/// shorter can only be a closing alert.
constexpr std::size_t least_overhead = 21;
constexpr std::size_t least_request = 28 + least_overhead;

/// OpenSSL's errors as error codes.
class openssl_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "TLS"; }
  [[nodiscard]] std::string message(int value) const override {
    const char* const text = ERR_reason_error_string(static_cast<unsigned>(value));
    return text ? text : "broken off";
  }
};

error_code openssl_error() {
  static const openssl_category category;
  const auto number = ERR_peek_last_error();
  ERR_clear_error();
  if (number == 0) return asio::error::connection_aborted;
  return std::error_code(static_cast<int>(number), category);
}

/// OpenSSL works on a pair of rings in memory; what it puts there is sent from here, and what
/// arrives is put there.
class tls_connection final : public transport {
 public:
  tls_connection(const asio::any_io_executor& executor, std::unique_ptr<transport> plain,
                 std::shared_ptr<const tls_context> context)
      : plain_(std::move(plain)), context_(std::move(context)), sending_(executor) {}

  awaitable<error_code> secure() override {
    const auto error = start();
    if (error) co_return error;
    for (;;) {
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      const auto why = failure(result);
      // An alert that tells the peer what is wrong goes out, too.
      const auto unsent = co_await flush();
      if (why) co_return why;
      if (unsent || result == 1) co_return unsent;
      if (!SSL_want_read(ssl_.get())) continue;
      const auto unread = co_await fill();
      if (unread) co_return unread;
      if (ended_) co_return asio::error::eof;
    }
  }

  awaitable<io_result<std::size_t>> read_some(std::span<std::byte> into) override {
    return ssl_ ? read_secured(into) : plain_->read_some(into);
  }

  awaitable<error_code> write(std::span<const std::byte> data) override {
    return ssl_ ? write_secured(data) : plain_->write(data);
  }

  awaitable<peer_state> wait_hangup() override { return plain_->wait_hangup(); }
  peer_state peer() noexcept override { return plain_->peer(); }
  awaitable<bool> all_delivered(clock::time_point until) override {
    return plain_->all_delivered(until);
  }
  int socket() noexcept override { return ssl_ ? -1 : plain_->socket(); }
  awaitable<error_code> readable(std::size_t enough) override { return plain_->readable(enough); }
  io_result<std::size_t> read_now(std::span<const iovec> into) noexcept override {
    return plain_->read_now(into);
  }

  awaitable<void> finish() override {
    if (!ssl_ || closed_) co_return;
    SSL_shutdown(ssl_.get());
    const auto unsent = co_await flush();
    if (unsent || closed_) co_return;
    if (plain_->socket() >= 0) ::shutdown(plain_->socket(), SHUT_WR);
    while (!ended_) {
      const auto unread = co_await plain_->read_some(rest_);
      ended_ = unread.has_error() || *unread == 0;
    }
  }

  /// At most so many: how many of them are payload is known once they are decrypted.
  std::size_t unread() noexcept override {
    const auto outside = plain_->unread();
    if (!ssl_) return outside;
    const auto decrypted = static_cast<std::size_t>(SSL_pending(ssl_.get()));
    const auto encrypted = outside + BIO_pending(SSL_get_rbio(ssl_.get()));
    // OpenSSL keeps the beginning of a record to itself: with its end it may be as long as this.
    const bool begun = decrypted == 0 && encrypted > 0 && SSL_has_pending(ssl_.get());
    if (begun) return encrypted + record;
    return decrypted + (encrypted < least_request ? 0 : encrypted - least_overhead);
  }

  void close() noexcept override {
    if (!closed_ && ssl_ && sending_.free()) say_that_it_closes();
    closed_ = true;
    plain_->close();
  }

 private:
  error_code start() {
    if (closed_) return asio::error::operation_aborted;
    ERR_clear_error();
    ssl_.reset(SSL_new(context_->get().ctx.get()));
    BIO* inner = nullptr;
    BIO* outer = nullptr;
    if (!ssl_ || BIO_new_bio_pair(&inner, ring, &outer, ring) != 1) return openssl_error();
    outside_.reset(outer);
    SSL_set_bio(ssl_.get(), inner, inner);
    SSL_set_accept_state(ssl_.get());
    return {};
  }

  /// Why an operation did not succeed; nothing where it did, or only needs to hear or say more.
  error_code failure(int result) {
    if (result == 1) return {};
    const int what = SSL_get_error(ssl_.get(), result);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) return {};
    if (what == SSL_ERROR_ZERO_RETURN) return asio::error::eof;
    return openssl_error();
  }

  awaitable<io_result<std::size_t>> read_secured(std::span<std::byte> into) {
    while (!closed_) {
      int result = 1;
      const auto got = decrypt(into, result);
      // What else there is to say comes again with the next read.
      if (got > 0) co_return got;
      const auto why = failure(result);
      if (why == asio::error::eof) co_return std::size_t{0};
      if (why) co_return why;
      // An answer to what only TLS has read (a change of keys); a writer takes it along.
      if (SSL_want_write(ssl_.get()) || (!to_send().empty() && sending_.free())) {
        const auto unsent = co_await flush();
        if (unsent) co_return unsent;
        continue;
      }
      const auto unread = co_await fill();
      if (unread) co_return unread;
      // The end without a closing alert is an end like any other. An attacker can forge it, but
      // not NBD_CMD_DISC, and it is this that says that a stream is complete; --run vouches for
      // clients that never send it, encrypted or not.
      if (ended_) co_return std::size_t{0};
    }
    co_return error_code(asio::error::operation_aborted);
  }

  std::size_t decrypt(std::span<std::byte> into, int& result) noexcept {
    std::size_t got = 0;
    ERR_clear_error();
    while (got < into.size() && result == 1) {
      std::size_t count = 0;
      const auto room = into.subspan(got);
      result = SSL_read_ex(ssl_.get(), room.data(), room.size(), &count);
      if (result == 1) got += count;
    }
    return got;
  }

  awaitable<error_code> write_secured(std::span<const std::byte> data) {
    const auto turn = co_await sending_.wait_and_enter();
    do {
      while (!data.empty()) {
        const auto count = encrypt(data);
        if (count == 0) break;
        data = data.subspan(count);
      }
      if (to_send().empty() && !data.empty()) co_return openssl_error();
      const auto error = co_await push();
      if (error) co_return error;
    } while (!data.empty());
    co_return error_code{};
  }

  awaitable<error_code> flush() {
    const auto turn = co_await sending_.wait_and_enter();
    co_return co_await push();
  }

  /// Sends what OpenSSL wants to have sent. State: it is our turn.
  awaitable<error_code> push() {
    while (!to_send().empty()) {
      if (closed_) co_return asio::error::operation_aborted;
      const auto pending = to_send();
      const auto error = co_await plain_->write(pending);
      if (error) co_return error;
      sent(pending.size());
    }
    co_return error_code{};
  }

  /// Makes one record of the beginning of `data`; 0 where there is no room for it.
  std::size_t encrypt(std::span<const std::byte> data) noexcept {
    if (BIO_ctrl_get_write_guarantee(SSL_get_wbio(ssl_.get())) < record + record_overhead) return 0;
    std::size_t count = 0;
    ERR_clear_error();
    const auto piece = std::min(data.size(), record);
    return SSL_write_ex(ssl_.get(), data.data(), piece, &count) == 1 ? count : 0;
  }

  /// What OpenSSL wants to have sent; stays where it is until sent().
  [[nodiscard]] std::span<const std::byte> to_send() noexcept {
    char* begin = nullptr;
    const int count = BIO_nread0(outside_.get(), &begin);
    return std::as_bytes(std::span(begin, static_cast<std::size_t>(std::max(count, 0))));
  }
  void sent(std::size_t count) noexcept {
    char* ignored = nullptr;
    if (count > 0) BIO_nread(outside_.get(), &ignored, static_cast<int>(count));
  }

  /// The end in TLS, as a courtesy: a peer that does not get it has NBD's own.
  void say_that_it_closes() noexcept {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    const auto pending = to_send();
    if (plain_->socket() < 0 || pending.empty()) return;
    const auto n =
        ::send(plain_->socket(), pending.data(), pending.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    sent(n > 0 ? static_cast<std::size_t>(n) : 0);
  }

  /// Gives OpenSSL more of what the peer sends, waiting for it; ended_ at its end.
  awaitable<error_code> fill() {
    char* room = nullptr;
    const int size = BIO_nwrite0(outside_.get(), &room);
    if (size <= 0) co_return openssl_error();
    const std::span into(room, static_cast<std::size_t>(size));
    const auto n = co_await plain_->read_some(std::as_writable_bytes(into));
    if (n.has_error()) co_return n.error();
    ended_ = *n == 0;
    if (!ended_) BIO_nwrite(outside_.get(), &room, static_cast<int>(*n));
    co_return error_code{};
  }

  std::unique_ptr<transport> plain_;
  std::shared_ptr<const tls_context> context_;
  bio_ptr outside_;  ///< the end of the rings that is not OpenSSL's
  ssl_ptr ssl_;      ///< once secure() was called
  fair_mutex sending_;
  std::array<std::byte, 512> rest_{};  ///< what comes after the last request is not looked at
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<transport> tls_transport(const asio::any_io_executor& executor,
                                         std::unique_ptr<transport> plain,
                                         std::shared_ptr<const tls_context> context) {
  return std::make_unique<tls_connection>(executor, std::move(plain), std::move(context));
}

}  // namespace nbdstream::io
