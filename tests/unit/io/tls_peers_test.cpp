// SPDX-License-Identifier: BSD-3-Clause
//
// Which peers are accepted: certificates and pre-shared keys.
#include "tls_fixture.hpp"

namespace nbdstream::test {
namespace {

TEST_F(TlsTransport, ClientAcceptsTheServerCertificateOfATrustedCaOnly) {
  tls_client good(peer.get(), {.trusts = test_certificates("good")});
  EXPECT_TRUE(shake(good)) << error.message();
  serve(certificates());
  tls_client other(peer.get(), {.trusts = test_certificates("other")});
  expect_refusal(other, "unknown ca");
}

class TlsVerifyPeer : public TlsTransport {
 protected:
  TlsVerifyPeer() : TlsTransport(strict()) {}
  static config::server_config strict(const std::string& directory = "good") {
    config::server_config c;
    c.tls_certificates = test_certificates(directory);
    c.tls_verify_peer = true;
    return c;
  }
};

TEST_F(TlsVerifyPeer, ClientWithCertificateIsAccepted) {
  tls_client client(peer.get(), {.shows = test_certificates("good")});
  EXPECT_TRUE(shake(client)) << error.message();
}

TEST_F(TlsVerifyPeer, ClientWithoutCertificateIsRefused) {
  tls_client client(peer.get(), {});
  expect_refusal(client, "peer did not return a certificate");
}

TEST_F(TlsVerifyPeer, CertificateOfAnotherCaIsRefused) {
  tls_client client(peer.get(), {.shows = test_certificates("other")});
  expect_refusal(client, "certificate verify failed");
}

TEST_F(TlsVerifyPeer, RevokedCertificateIsRefused) {
  serve(strict("revoked"));
  tls_client client(peer.get(), {.shows = test_certificates("revoked")});
  expect_refusal(client, "certificate verify failed");
}

TEST_F(TlsTransport, ClientCertificateIsIgnoredWithoutVerifyPeer) {
  tls_client client(peer.get(), {.shows = test_certificates("other")});
  EXPECT_TRUE(shake(client)) << error.message();
}

class TlsPsk : public TlsTransport {
 protected:
  TlsPsk() : TlsTransport(keys()) {}
  static config::server_config keys() {
    config::server_config c;
    c.tls_psk = test_keys();
    c.tls_certificates = "/nowhere";  // counts less
    return c;
  }
};

TEST_F(TlsPsk, ClientWithTheRightKeyIsAccepted) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const auto* const user : {"alice", "bob"}) {
      serve(keys());
      tls_client client(peer.get(), {.least = version, .most = version, .user = user});
      EXPECT_TRUE(shake(client)) << error.message();
    }
  }
}

TEST_F(TlsPsk, WrongKeyUnknownUserAndNoUserAreRefused) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const auto* const user : {"carol", "mallory", ""}) {
      serve(keys());
      tls_client client(peer.get(), {.least = version, .most = version, .user = user});
      EXPECT_FALSE(shake(client)) << version << user;
      EXPECT_TRUE(error);
    }
  }
}

}  // namespace
}  // namespace nbdstream::test
