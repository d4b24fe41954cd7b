// SPDX-License-Identifier: BSD-3-Clause
//
// Who is let in.
#include "tls_fixture.hpp"

namespace nbdstream::test {
namespace {

TEST_F(tls, ShowsACertificateThatTheAuthorityHasSigned) {
  tls_client good(peer.get(), {.trusts = test_certificates("good")});
  EXPECT_TRUE(shake(good)) << error.message();
  serve(certificates());
  tls_client other(peer.get(), {.trusts = test_certificates("other")});
  expect_refusal(other, "unknown ca");
}

class tls_verifying : public tls {
 protected:
  tls_verifying() : tls(strict()) {}
  static config::server_config strict(const std::string& directory = "good") {
    config::server_config c;
    c.tls_certificates = test_certificates(directory);
    c.tls_verify_peer = true;
    return c;
  }
};

TEST_F(tls_verifying, LetsAClientInWithACertificate) {
  tls_client client(peer.get(), {.shows = test_certificates("good")});
  EXPECT_TRUE(shake(client)) << error.message();
}

TEST_F(tls_verifying, RefusesAClientWithout) {
  tls_client client(peer.get(), {});
  expect_refusal(client, "peer did not return a certificate");
}

TEST_F(tls_verifying, RefusesACertificateOfAnotherAuthority) {
  tls_client client(peer.get(), {.shows = test_certificates("other")});
  expect_refusal(client, "certificate verify failed");
}

TEST_F(tls_verifying, RefusesACertificateThatWasRevoked) {
  serve(strict("revoked"));
  tls_client client(peer.get(), {.shows = test_certificates("revoked")});
  expect_refusal(client, "certificate verify failed");
}

TEST_F(tls, NeedsNoCertificateOfTheClientUnlessToldSo) {
  tls_client client(peer.get(), {.shows = test_certificates("other")});
  EXPECT_TRUE(shake(client)) << error.message();
}

class tls_psk : public tls {
 protected:
  tls_psk() : tls(keys()) {}
  static config::server_config keys() {
    config::server_config c;
    c.tls_psk = test_keys();
    c.tls_certificates = "/nowhere";  // counts less
    return c;
  }
};

TEST_F(tls_psk, LetsInWhoKnowsTheKey) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const auto* const user : {"alice", "bob"}) {
      serve(keys());
      tls_client client(peer.get(), {.least = version, .most = version, .user = user});
      EXPECT_TRUE(shake(client)) << error.message();
    }
  }
}

TEST_F(tls_psk, RefusesAWrongKeyAndAnUnknownUserAndNoneAtAll) {
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
