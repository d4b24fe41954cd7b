// SPDX-License-Identifier: BSD-3-Clause
//
// TLS 1.2 and 1.3 on a connection, with certificates or pre-shared keys as nbdkit-tls(1) has them.
// OpenSSL is seen by tls_context.cpp and tls_transport.cpp only.
#ifndef NBDSTREAM_IO_TLS_HPP
#define NBDSTREAM_IO_TLS_HPP

#include "config/config.hpp"
#include "io/transport.hpp"

#include <memory>
#include <string>

namespace nbdstream::io {

/// Our certificate or keys. Who has new ones loads them anew; connections keep those that they
/// began with.
class tls_context {
 public:
  struct implementation;

  explicit tls_context(std::unique_ptr<implementation> i);
  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  [[nodiscard]] const implementation& get() const noexcept { return *implementation_; }

  /// Where the certificates are that were found, or the file of keys and the first user in it;
  /// empty where there are none.
  [[nodiscard]] const std::string& certificates() const noexcept;
  [[nodiscard]] const std::string& psk_file() const noexcept;
  [[nodiscard]] const std::string& first_user() const noexcept;

 private:
  std::unique_ptr<implementation> implementation_;
};

/// What the configuration asks for; null: no TLS. Throws config::error, which names the file. On
/// any thread.
[[nodiscard]] std::unique_ptr<tls_context> load_tls(const config::server_config& server);

/// `plain`, until secure() is called; then the same connection inside TLS, we being the server.
[[nodiscard]] std::unique_ptr<transport> tls_transport(const asio::any_io_executor& executor,
                                                       std::unique_ptr<transport> plain,
                                                       std::shared_ptr<const tls_context> context);

}  // namespace nbdstream::io
#endif
