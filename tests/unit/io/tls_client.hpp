// SPDX-License-Identifier: BSD-3-Clause
//
// A TLS client on a descriptor that never waits, and what it and a server need.
#ifndef NBDSTREAM_TESTS_UNIT_IO_TLS_CLIENT_HPP
#define NBDSTREAM_TESTS_UNIT_IO_TLS_CLIENT_HPP

#include "support/certificates.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

namespace nbdstream::test {

inline void write_text(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file) << text;
}
inline std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Of the whole program; each directory is made when it is first asked for.
inline const temp_directory& tls_directory() {
  static const temp_directory directory;
  return directory;
}

/// A directory of certificates: "good", "other" (of another authority), or "revoked" (whose client
/// certificate its ca-crl.pem names).
inline std::string test_certificates(const std::string& name) {
  const auto directory = (tls_directory() / name).string();
  if (std::filesystem::exists(directory)) return directory;
  auto script = make_certificates(directory);
  if (name == "revoked") script += revoke_client;
  EXPECT_EQ(std::system(script.c_str()), 0) << script;
  return directory;
}

/// A file with the keys of alice and bob; carol's is not the one that tls_client has for her.
inline std::string test_keys() {
  const auto file = tls_directory() / "keys.psk";
  write_text(file, "alice:6b6579206f6620616c696365\nbob:6B6579206f6620626f62\n\ncarol:00ff\n");
  return file.string();
}

class tls_client {
 public:
  struct options {
    int least = TLS1_2_VERSION;
    int most = TLS1_3_VERSION;
    std::string trusts{};  ///< a directory whose ca-cert.pem must have signed; empty: anybody's
    std::string shows{};   ///< a directory with client-cert.pem and client-key.pem; empty: none
    std::string user{};    ///< whose key is "key of USER"; empty: none
  };

  tls_client(int fd, const options& o) : user_(o.user), ctx_(SSL_CTX_new(TLS_client_method())) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    SSL_CTX* const ctx = ctx_.get();
    // Also what is not safe any more, so that it is the server that refuses it.
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, o.least);
    SSL_CTX_set_max_proto_version(ctx, o.most);
    if (!o.trusts.empty()) {
      const auto ca = o.trusts + "/ca-cert.pem";
      EXPECT_EQ(SSL_CTX_load_verify_locations(ctx, ca.c_str(), nullptr), 1);
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    }
    if (!o.shows.empty()) {
      const auto certificate = o.shows + "/client-cert.pem";
      const auto key = o.shows + "/client-key.pem";
      EXPECT_EQ(SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM), 1);
    }
    SSL_CTX_set_app_data(ctx, this);
    if (!user_.empty()) SSL_CTX_set_psk_client_callback(ctx, tell_key);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ssl_.reset(SSL_new(ctx));
    SSL_set_fd(ssl_.get(), fd);
    SSL_set_connect_state(ssl_.get());
  }

  /// Goes on with the handshake; whether it is over.
  bool step() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    agreed_ = result == 1;
    return agreed_ || !waits(result);
  }
  [[nodiscard]] bool agreed() const { return agreed_; }

  /// How much of `data` went without waiting.
  std::size_t write(std::string_view data) {
    std::size_t all = 0;
    std::size_t count = 0;
    ERR_clear_error();
    while (all < data.size() &&
           SSL_write_ex(ssl_.get(), data.data() + all, data.size() - all, &count) == 1) {
      all += count;
    }
    return all;
  }

  /// All that is there.
  std::string read() {
    std::string all;
    std::string buffer(65536, '\0');
    std::size_t count = 0;
    ERR_clear_error();
    while (SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count) == 1) {
      all.append(buffer, 0, count);
    }
    return all;
  }

  [[nodiscard]] bool closed_by_peer() const {
    return SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN;
  }
  void close_notify() { SSL_shutdown(ssl_.get()); }

 private:
  bool waits(int result) {
    const int what = SSL_get_error(ssl_.get(), result);
    return what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE;
  }
  static unsigned tell_key(SSL* ssl, const char*, char* user, unsigned user_size,
                           unsigned char* key, unsigned key_size) {
    const auto* const self =
        static_cast<const tls_client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const auto text = "key of " + self->user_;
    if (self->user_.size() >= user_size || text.size() > key_size) return 0;
    user[self->user_.copy(user, user_size - 1)] = '\0';
    return static_cast<unsigned>(text.copy(reinterpret_cast<char*>(key), key_size));
  }

  struct release {
    void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
    void operator()(SSL* p) const { SSL_free(p); }
  };
  std::string user_;
  std::unique_ptr<SSL_CTX, release> ctx_;
  std::unique_ptr<SSL, release> ssl_;
  bool agreed_ = false;
};

}  // namespace nbdstream::test
#endif
