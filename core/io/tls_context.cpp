// SPDX-License-Identifier: BSD-3-Clause
#include "config/text.hpp"
#include "io/tls_openssl.hpp"

#include <openssl/x509v3.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <optional>

namespace nbdstream::io {
namespace {

using config::quote;

constexpr const char* root_directory = "/etc/pki/nbdkit";

/// Those of TLS 1.3 that go with a pre-shared key, whose hash is SHA-256 unless it says otherwise.
constexpr const char* psk_ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

[[noreturn]] void refuse(const std::string& file, std::string_view why) {
  throw config::error(fmt::format("TLS: {}: {}", quote(file), why));
}

/// The innermost reason that OpenSSL gives.
std::string openssl_reason() {
  const auto number = ERR_peek_last_error();
  ERR_clear_error();
  const char* const text = ERR_reason_error_string(number);
  return text ? text : "not understood by OpenSSL";
}

bool readable(const std::string& file) {
  return ::access(file.c_str(), R_OK) == 0;
}

std::string in(const std::string& directory, const char* file) {
  return directory + '/' + file;
}

bool has_certificates(const std::string& directory) {
  return std::ranges::all_of(std::array{"ca-cert.pem", "server-cert.pem", "server-key.pem"},
                             [&](const char* file) { return readable(in(directory, file)); });
}

/// Where nbdkit looks, in that order.
std::string default_certificates() {
  std::vector<std::string> places;
  const char* const home = std::getenv("HOME");
  if (::geteuid() == 0) {
    places.emplace_back(root_directory);
  } else if (home) {
    places = {in(home, ".pki/nbdkit"), in(home, ".config/pki/nbdkit")};
  }
  std::string looked;
  for (const auto& place : places) {
    if (has_certificates(place)) return place;
    looked += fmt::format("{}{}", looked.empty() ? "" : " and ", quote(place));
  }
  throw config::error(
      fmt::format("TLS: no ca-cert.pem, server-cert.pem and server-key.pem that can be read in {}; "
                  "give their directory with --tls-certificates, or keys with --tls-psk",
                  looked.empty() ? "any place ($HOME is not set)" : looked));
}

ssl_ctx_ptr make_context() {
  ssl_ctx_ptr made(SSL_CTX_new(TLS_server_method()));
  if (!made) throw config::error(fmt::format("TLS: OpenSSL: {}", openssl_reason()));
  SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION);
  // No session is ever resumed: each connection shows what it has to show.
  SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                      SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_num_tickets(made.get(), 0);
  SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(made.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_dh_auto(made.get(), 1);
  // A key that needs a passphrase is refused: nobody is asked at the terminal.
  SSL_CTX_set_default_passwd_cb(made.get(), [](char*, int, int, void*) { return 0; });
  return made;
}

void verify_clients(SSL_CTX* ctx, const std::string& directory) {
  const auto ca = in(directory, "ca-cert.pem");
  const auto crl = in(directory, "ca-crl.pem");
  SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca.c_str()));
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  if (::access(crl.c_str(), F_OK) != 0) return;
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
  auto* const lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (!lookup || X509_load_crl_file(lookup, crl.c_str(), X509_FILETYPE_PEM) < 1) {
    refuse(crl, openssl_reason());
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

void load_certificates(tls_context::implementation& into, std::string directory, bool verify) {
  SSL_CTX* const ctx = into.ctx.get();
  const auto ca = in(directory, "ca-cert.pem");
  const auto certificate = in(directory, "server-cert.pem");
  const auto key = in(directory, "server-key.pem");
  for (const auto& file : {ca, certificate, key}) {
    if (!readable(file)) refuse(file, std::strerror(errno));
  }
  ERR_clear_error();
  if (SSL_CTX_load_verify_locations(ctx, ca.c_str(), nullptr) != 1) refuse(ca, openssl_reason());
  if (SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()) != 1) {
    refuse(certificate, openssl_reason());
  }
  // OpenSSL would use it, and each client would refuse it.
  const auto uses = X509_get_extended_key_usage(SSL_CTX_get0_certificate(ctx));
  if ((uses & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0) {
    refuse(certificate, "its extended key usage does not allow servers; make one with serverAuth");
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    refuse(key, openssl_reason());
  }
  if (verify) verify_clients(ctx, directory);
  into.certificates = std::move(directory);
}

std::optional<std::vector<unsigned char>> from_hex(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::vector<unsigned char> bytes;
  if (text.empty() || text.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<unsigned char>(high * 16 + low));
  }
  return bytes;
}

/// "user:6b6579". What is wrong with a line never shows the key.
void load_key(tls_context::implementation& into, std::string_view line, const std::string& where) {
  const auto colon = line.find(':');
  if (colon == line.npos || colon == 0) {
    throw config::error(fmt::format("TLS: {}: no USER:KEY, as psktool(1) writes it", where));
  }
  const std::string user(line.substr(0, colon));
  auto key = from_hex(line.substr(colon + 1));
  if (!key || key->size() > PSK_MAX_PSK_LEN || user.size() > PSK_MAX_IDENTITY_LEN) {
    throw config::error(
        fmt::format("TLS: {}: the user has at most {} bytes, and the key is 1 to {} bytes in "
                    "hexadecimal digits",
                    where, PSK_MAX_IDENTITY_LEN, PSK_MAX_PSK_LEN));
  }
  if (!into.keys.try_emplace(user, std::move(*key)).second) {
    throw config::error(
        fmt::format("TLS: {}: {} is there twice; leave one out", where, quote(user)));
  }
  if (into.first_user.empty()) into.first_user = user;
}

/// TLS 1.2 asks by this; TLS 1.3 too, where no other callback is set.
unsigned key_of(SSL* ssl, const char* user, unsigned char* into, unsigned size) {
  const auto* const known =
      static_cast<const tls_context::implementation*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto found = known->keys.find(std::string_view(user));
  if (found == known->keys.end() || found->second.size() > size) return 0;
  std::ranges::copy(found->second, into);
  return static_cast<unsigned>(found->second.size());
}

void load_keys(tls_context::implementation& into, const std::string& file) {
  std::ifstream lines(file);
  if (!lines) refuse(file, std::strerror(errno));
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) load_key(into, line, fmt::format("{}:{}", config::printable(file), number));
  }
  if (lines.bad()) refuse(file, "cannot be read");
  if (into.keys.empty()) refuse(file, "no USER:KEY in it, as psktool(1) writes it");
  SSL_CTX_set_app_data(into.ctx.get(), &into);
  SSL_CTX_set_psk_server_callback(into.ctx.get(), key_of);
  SSL_CTX_set_ciphersuites(into.ctx.get(), psk_ciphersuites);
  into.psk_file = file;
}

}  // namespace

tls_context::tls_context(std::unique_ptr<implementation> i) : implementation_(std::move(i)) {}
tls_context::~tls_context() = default;

const std::string& tls_context::certificates() const noexcept {
  return implementation_->certificates;
}
const std::string& tls_context::psk_file() const noexcept {
  return implementation_->psk_file;
}
const std::string& tls_context::first_user() const noexcept {
  return implementation_->first_user;
}

std::unique_ptr<tls_context> load_tls(const config::server_config& server) {
  if (config::effective_tls(server) == config::tls_mode::off) return nullptr;
  auto made = std::make_unique<tls_context::implementation>();
  made->ctx = make_context();
  if (!server.tls_psk.empty()) {
    load_keys(*made, server.tls_psk);
  } else {
    load_certificates(
        *made, server.tls_certificates.empty() ? default_certificates() : server.tls_certificates,
        server.tls_verify_peer);
  }
  return std::make_unique<tls_context>(std::move(made));
}

}  // namespace nbdstream::io
