// SPDX-License-Identifier: BSD-3-Clause
//
// naive_server: what a first version of the server would be, in one coroutine: read the header,
// read the payload, write it to stdout, a pipe, write the reply. Each step is one call of Asio, and
// nothing is batched. It serves the first connection to the listening Unix socket on stdin.
#include <boost/asio.hpp>
#include <boost/endian/conversion.hpp>

#include <array>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "posix.hpp"

namespace {

namespace asio = boost::asio;
namespace endian = boost::endian;
using asio::use_awaitable;
using unix_stream = asio::local::stream_protocol;

constexpr std::uint64_t option_magic = 0x49484156454f5054;  // IHAVEOPT
constexpr std::uint64_t option_reply_magic = 0x3e889045565a9;
constexpr std::uint32_t request_magic = 0x25609513, reply_magic = 0x67446698;
constexpr std::uint32_t option_export_name = 1, option_go = 7;
constexpr std::uint32_t reply_ack = 1, reply_info = 3, reply_unsupported = 0x80000001;
constexpr std::uint16_t command_write = 1, command_disconnect = 2, command_flush = 3;
constexpr std::uint16_t flags = 1 | 4;  // has flags, sends flush
constexpr std::uint64_t export_size = 1ULL << 50;
constexpr std::uint32_t largest_payload = 32 << 20, largest_option = 4096;
constexpr std::uint32_t invalid = 22;  // EINVAL

/// A message in the making: numbers, the most significant byte first.
class message {
 public:
  template <class T>
  message& operator<<(T value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    endian::endian_store<T, sizeof value, endian::order::big>(&bytes_[at], value);
    return *this;
  }
  message& zeroes(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  void clear() { bytes_.clear(); }
  asio::const_buffer buffer() const { return asio::buffer(bytes_); }

 private:
  std::vector<unsigned char> bytes_;
};

template <class T>
T get(const unsigned char* from) {
  return endian::endian_load<T, sizeof(T), endian::order::big>(from);
}

void must_be(std::uint64_t got, std::uint64_t expected) {
  if (got != expected) throw std::runtime_error("the client speaks something else");
}

/// The reply to an option other than NBD_OPT_EXPORT_NAME, which has no such frame.
message option_reply(std::uint32_t option) {
  message out;
  if (option == option_go) {
    out << option_reply_magic << option << reply_info << std::uint32_t{12};
    out << std::uint16_t{0} << export_size << flags;
  }
  out << option_reply_magic << option << (option == option_go ? reply_ack : reply_unsupported);
  out << std::uint32_t{0};
  return out;
}

/// Whatever name the client asks for is the one export.
asio::awaitable<void> negotiate(unix_stream::socket& client) {
  message greeting;
  greeting << std::uint64_t{0x4e42444d41474943} << option_magic << std::uint16_t{1 | 2};
  co_await asio::async_write(client, greeting.buffer(), use_awaitable);
  std::array<unsigned char, 4> client_flags;
  co_await asio::async_read(client, asio::buffer(client_flags), use_awaitable);
  const bool no_zeroes = (client_flags[3] & 2) != 0;
  std::array<unsigned char, 16> header;
  std::array<unsigned char, largest_option> data;
  for (;;) {
    co_await asio::async_read(client, asio::buffer(header), use_awaitable);
    must_be(get<std::uint64_t>(&header[0]), option_magic);
    const auto option = get<std::uint32_t>(&header[8]), size = get<std::uint32_t>(&header[12]);
    if (size > data.size()) throw std::runtime_error("an option is too long");
    co_await asio::async_read(client, asio::buffer(data, size), use_awaitable);
    message out;
    if (option == option_export_name) {
      (out << export_size << flags).zeroes(no_zeroes ? 0 : 124);
    } else {
      out = option_reply(option);
    }
    co_await asio::async_write(client, out.buffer(), use_awaitable);
    if (option == option_export_name || option == option_go) co_return;
  }
}

asio::awaitable<void> serve(unix_stream::acceptor& acceptor, asio::posix::stream_descriptor& out) {
  auto client = co_await acceptor.async_accept(use_awaitable);
  co_await negotiate(client);
  std::array<unsigned char, 28> header;
  std::vector<char> payload;
  message reply;
  for (std::uint64_t position = 0;;) {
    co_await asio::async_read(client, asio::buffer(header), use_awaitable);
    must_be(get<std::uint32_t>(&header[0]), request_magic);
    const auto type = get<std::uint16_t>(&header[6]);
    const auto length = get<std::uint32_t>(&header[24]);
    if (type == command_disconnect) co_return;
    std::uint32_t error = type == command_flush ? 0 : invalid;
    if (type == command_write) {
      if (length > largest_payload) throw std::runtime_error("a write is too long");
      payload.resize(length);
      co_await asio::async_read(client, asio::buffer(payload), use_awaitable);
      if (get<std::uint64_t>(&header[16]) == position) {
        co_await asio::async_write(out, asio::buffer(payload), use_awaitable);
        position += length;
        error = 0;
      }
    }
    reply.clear();
    reply << reply_magic << error << get<std::uint64_t>(&header[8]);
    co_await asio::async_write(client, reply.buffer(), use_awaitable);
  }
}

}  // namespace

int main() try {
  asio::io_context loop(1);
  unix_stream::acceptor acceptor(loop, unix_stream(), STDIN_FILENO);
  asio::posix::stream_descriptor out(loop, STDOUT_FILENO);
  asio::co_spawn(loop, serve(acceptor, out), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  loop.run();
} catch (const std::exception& error) {
  bench::fail(error.what());
}
