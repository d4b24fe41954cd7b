// SPDX-License-Identifier: BSD-3-Clause
//
// What tls_context.cpp and tls_transport.cpp share of OpenSSL; nobody else includes this.
#ifndef NBDSTREAM_IO_TLS_OPENSSL_HPP
#define NBDSTREAM_IO_TLS_OPENSSL_HPP

#include "io/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <map>
#include <vector>

namespace nbdstream::io {

template <auto free>
struct openssl_delete {
  template <class T>
  void operator()(T* p) const noexcept {
    free(p);
  }
};
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_delete<SSL_CTX_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_delete<SSL_free>>;
using bio_ptr = std::unique_ptr<BIO, openssl_delete<BIO_free>>;

struct tls_context::implementation {
  ssl_ctx_ptr ctx;
  std::string certificates, psk_file, first_user;
  std::map<std::string, std::vector<unsigned char>, std::less<>> keys;  ///< by user
};

}  // namespace nbdstream::io
#endif
