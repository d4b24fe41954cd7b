// SPDX-License-Identifier: BSD-3-Clause
//
// Certificates and keys for tests of TLS, made when they are needed: nothing that expires.
#ifndef NBDSTREAM_TESTS_SUPPORT_CERTIFICATES_HPP
#define NBDSTREAM_TESTS_SUPPORT_CERTIFICATES_HPP

#include <string>

namespace nbdstream::test {

/// A shell script that fills `directory` with a new authority (ca-cert.pem, ca-key.pem) and what it
/// has signed: server-cert.pem for localhost and 127.0.0.1, client-cert.pem, and the keys of both.
inline std::string make_certificates(const std::string& directory) {
  return "set -e; mkdir -p '" + directory + "'; cd '" + directory + R"('
umask 077
new_key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
openssl req -x509 $new_key -subj "/CN=authority $$" -keyout ca-key.pem -out ca-cert.pem \
  -addext keyUsage=critical,keyCertSign,cRLSign 2> log
for who in server client; do
  openssl req -x509 $new_key -subj "/CN=$who" -keyout $who-key.pem -out $who-cert.pem \
    -CA ca-cert.pem -CAkey ca-key.pem -addext basicConstraints=critical,CA:FALSE \
    -addext keyUsage=critical,digitalSignature,keyEncipherment \
    -addext extendedKeyUsage=${who}Auth \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>> log
done
)";
}

/// Behind that script: ca-crl.pem, which revokes client-cert.pem.
inline const std::string revoke_client = R"(
serial=$(openssl x509 -in client-cert.pem -noout -serial | cut -d= -f2)
printf 'R\t991231235959Z\t200101000000Z\t%s\tunknown\t/CN=client\n' "$serial" > index.txt
printf '[ca]\ndefault_ca = it\n[it]\ndatabase = index.txt\ndefault_md = sha256\n' > ca.conf
openssl ca -config ca.conf -gencrl -crldays 2 -cert ca-cert.pem -keyfile ca-key.pem \
  -out ca-crl.pem 2>> log
)";

}  // namespace nbdstream::test
#endif
