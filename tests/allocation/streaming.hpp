// SPDX-License-Identifier: BSD-3-Clause
//
// What nbdstream does when it streams into a pipe, with real descriptors: an export with its
// sessions on a thread of their own, whose allocations count. Clients and reader are the test's.
#ifndef NBDSTREAM_TESTS_ALLOCATION_STREAMING_HPP
#define NBDSTREAM_TESTS_ALLOCATION_STREAMING_HPP

#include "server/export.hpp"
#include "server/session.hpp"
#include "support/fake_log.hpp"
#include "support/file_descriptor.hpp"
#include "support/scripted_client.hpp"
#include "unit/sink/fake_module.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace nbdstream::test {

/// A client that waits for its socket, but not for ever. Errors are exceptions.
class streaming_client {
 public:
  explicit streaming_client(file_descriptor socket);

  /// The handshake, whole.
  void shake_hands();
  void send(std::string_view bytes);
  /// The answers to so many requests, in any order, all of them without error.
  void take_answers(std::size_t count);
  void write(std::uint64_t offset, std::string_view payload);
  void write_zeroes(std::uint64_t offset, std::uint32_t length);
  /// What was sent is with the server, all of it: it has nothing more to read.
  void wait_until_read() const;

 private:
  file_descriptor socket_;
};

/// Takes a pipe's bytes away as they come.
class draining {
 public:
  explicit draining(file_descriptor pipe);
  ~draining();
  void wait_until_taken(std::uint64_t bytes) const;

 private:
  file_descriptor pipe_;
  std::atomic<std::uint64_t> taken_ = 0;
  std::thread thread_;
};

struct streaming_settings {
  nbd_export::settings exported{};
  std::size_t clients = 1;
  bool copy_only = false;
  int pipe_size = 0;  ///< bytes, where it matters
};

class streaming final : private session_host {
 public:
  explicit streaming(streaming_settings s);
  ~streaming() override;

  [[nodiscard]] streaming_client& client(std::size_t index = 0) { return clients_[index]; }
  /// So many bytes have come out of the pipe.
  void wait_until_taken(std::uint64_t bytes) const { reader_->wait_until_taken(bytes); }

 private:
  [[nodiscard]] std::span<const protocol::export_info> export_infos() const override {
    return infos_;
  }
  [[nodiscard]] nbd_export& export_at(std::size_t) override { return *exported_; }
  [[nodiscard]] std::optional<protocol::negotiator::refusal> gate() const override { return {}; }

  [[nodiscard]] std::unique_ptr<sink::sink> make_sink(bool copy_only);
  void spawn(awaitable<void> task);

  asio::io_context loop_{1};
  io::condition changed_{loop_.get_executor()};  ///< a server's
  fake_log log_;
  module_script script_;
  file_descriptor pipe_;  ///< the writing end
  std::unique_ptr<draining> reader_;
  std::unique_ptr<nbd_export> exported_;
  std::vector<protocol::export_info> infos_;
  std::list<session> sessions_;
  std::vector<streaming_client> clients_;
  std::thread thread_;
};

}  // namespace nbdstream::test
#endif
