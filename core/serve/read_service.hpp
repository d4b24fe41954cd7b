// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SERVE_READ_SERVICE_HPP
#define NBDSTREAM_SERVE_READ_SERVICE_HPP

#include "io/async_scope.hpp"
#include "serve/read_export.hpp"
#include "server/connection.hpp"
#include "server/payload.hpp"

#include <cstdint>
#include <vector>

namespace nbdstream::serve {

/// Serves one connection to an export that is only read: several of its requests at a time, which
/// are answered as they are done.
class read_service final : public service {
 public:
  /// Both are borrowed.
  read_service(connection& on, read_export& of);

  [[nodiscard]] awaitable<ending> serve(protocol::request r) override;
  [[nodiscard]] awaitable<void> answer_all() override;
  [[nodiscard]] awaitable<void> end(stream::disconnect how) override;

 private:
  using request = protocol::request;
  class counted;

  [[nodiscard]] awaitable<ending> refuse(request r, protocol::verdict v);
  [[nodiscard]] awaitable<void> make_room(std::uint64_t bytes);
  [[nodiscard]] awaitable<void> read(request r);
  [[nodiscard]] awaitable<void> status(request r);
  void answer_failure(const request& r, std::int64_t result, const source::failure& why);

  connection& on_;
  read_export& export_;
  payload payload_;
  reader_pool::client work_;
  std::uint64_t memory_ = 0;  ///< bytes of the reads that are under way
  int under_way_ = 0;
  bool broken_ = false;  ///< a reply could not be sent
  io::condition done_;
  io::async_scope scope_;
};

}  // namespace nbdstream::serve
#endif
