// SPDX-License-Identifier: BSD-3-Clause
//
// Certificates and keys, as they are loaded: each error is one line that names the file.
#include "io/tls.hpp"
#include "tls_client.hpp"

#include <stdlib.h>

#include <filesystem>
#include <functional>

namespace nbdstream::test {
namespace {

namespace fs = std::filesystem;

std::string refusal(const config::server_config& c) {
  try {
    static_cast<void>(io::load_tls(c));
  } catch (const config::error& e) {
    const std::string text = e.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    return text;
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

::testing::AssertionResult names(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "no '" << part << "' in: " << text;
}

/// A copy of good certificates that a test may spoil.
class TlsCertificates : public ::testing::Test {
 protected:
  TlsCertificates() {
    for (const auto& file : fs::directory_iterator(test_certificates("good"))) {
      fs::copy(file.path(), directory.path());
    }
    settings.tls_certificates = directory.path();
  }
  temp_directory directory;
  config::server_config settings;
};

TEST(TlsContext, IsNullWhenTlsIsOff) {
  config::server_config c;
  EXPECT_EQ(io::load_tls(c), nullptr);
  c.tls = config::tls_mode::off;
  c.tls_certificates = "/nowhere";
  EXPECT_EQ(io::load_tls(c), nullptr);
}

TEST_F(TlsCertificates, AreLoadedFromTheirDirectory) {
  EXPECT_NE(io::load_tls(settings), nullptr);
  settings.tls_verify_peer = true;
  const auto loaded = io::load_tls(settings);
  EXPECT_EQ(loaded->certificates(), directory.path());
}

TEST_F(TlsCertificates, MissingFileIsNamedInTheError) {
  for (const auto* const name : {"ca-cert.pem", "server-cert.pem", "server-key.pem"}) {
    const auto kept = directory / "kept";
    fs::rename(directory / name, kept);
    const auto text = refusal(settings);
    EXPECT_TRUE(names(text, (directory / name).string()));
    EXPECT_TRUE(names(text, "No such file or directory"));
    fs::rename(kept, directory / name);
  }
}

TEST_F(TlsCertificates, InvalidFileIsNamedInTheError) {
  for (const auto* const name : {"ca-cert.pem", "server-cert.pem", "server-key.pem"}) {
    const auto right = read_text(directory / name);
    write_text(directory / name, "something else\n");
    EXPECT_TRUE(names(refusal(settings), (directory / name).string()));
    write_text(directory / name, right);
  }
}

TEST_F(TlsCertificates, MismatchedKeyIsNamedInTheError) {
  fs::copy(directory / "client-key.pem", directory / "server-key.pem",
           fs::copy_options::overwrite_existing);
  const auto text = refusal(settings);
  EXPECT_TRUE(names(text, "server-key.pem"));
  EXPECT_TRUE(names(text, "mismatch"));
}

TEST_F(TlsCertificates, CertificateOnlyForClientsIsRefused) {
  for (const auto* const part : {"cert", "key"}) {
    fs::copy(directory / (std::string("client-") + part + ".pem"),
             directory / (std::string("server-") + part + ".pem"),
             fs::copy_options::overwrite_existing);
  }
  const auto text = refusal(settings);
  EXPECT_TRUE(names(text, "server-cert.pem"));
  EXPECT_TRUE(names(text, "extended key usage does not allow servers"));
}

TEST_F(TlsCertificates, EncryptedKeyIsRefusedWithoutAPrompt) {
  const auto key = (directory / "server-key.pem").string();
  const auto script = "openssl ec -in '" + key + "' -aes128 -passout pass:secret -out '" + key +
                      ".new' 2> /dev/null && mv '" + key + ".new' '" + key + "'";
  ASSERT_EQ(std::system(script.c_str()), 0);
  EXPECT_TRUE(names(refusal(settings), "server-key.pem"));
}

TEST_F(TlsCertificates, InvalidCrlIsRefusedOnlyWithVerifyPeer) {
  write_text(directory / "ca-crl.pem", "no list\n");
  EXPECT_NE(io::load_tls(settings), nullptr) << "it is not needed";
  settings.tls_verify_peer = true;
  EXPECT_TRUE(names(refusal(settings), "ca-crl.pem"));
}

TEST(TlsContext, SearchesTheCertificateDirectoriesOfNbdkit) {
  config::server_config c;
  c.tls = config::tls_mode::on;
  const temp_directory home;
  ASSERT_EQ(::setenv("HOME", home.path().c_str(), 1), 0);
  const bool root = ::geteuid() == 0;
  if (root && fs::exists("/etc/pki/nbdkit")) return;  // this machine's own
  const auto text = refusal(c);
  EXPECT_TRUE(names(text, "--tls-certificates"));
  if (root) {
    EXPECT_TRUE(names(text, "/etc/pki/nbdkit"));
    return;
  }
  for (const auto* const place : {".config/pki/nbdkit", ".pki/nbdkit"}) {
    EXPECT_TRUE(names(text, (home / place).string()));
    fs::create_directories((home / place).parent_path());
    fs::copy(test_certificates("good"), home / place);
    EXPECT_EQ(io::load_tls(c)->certificates(), home / place);
  }
}

class TlsPskFile : public ::testing::Test {
 protected:
  /// The refusal of a file with this in it; never with the key.
  std::string refusal_of(std::string_view text) {
    write_text(settings.tls_psk, text);
    auto said = refusal(settings);
    EXPECT_TRUE(names(said, settings.tls_psk));
    EXPECT_EQ(said.find("5ec4e7"), std::string::npos) << said;
    return said;
  }
  TlsPskFile() { settings.tls_psk = directory / "keys.psk"; }
  temp_directory directory;
  config::server_config settings;
};

TEST_F(TlsPskFile, IsLoaded) {
  settings.tls_psk = test_keys();
  const auto loaded = io::load_tls(settings);
  EXPECT_EQ(loaded->psk_file(), test_keys());
  EXPECT_EQ(loaded->first_user(), "alice");
  EXPECT_EQ(loaded->certificates(), "");
}

TEST_F(TlsPskFile, InvalidLineIsRefusedWithoutShowingTheKey) {
  EXPECT_TRUE(names(refusal_of("alice:00\n5ec4e7\n"), ":2: "));
  EXPECT_TRUE(names(refusal_of("alice:5ec4e7x\n"), ":1: "));
  EXPECT_TRUE(names(refusal_of("alice:5ec4e700f\n"), "hexadecimal"));
  EXPECT_TRUE(names(refusal_of("alice:\n"), ":1: "));
  EXPECT_TRUE(names(refusal_of(":5ec4e700\n"), "USER:KEY"));
  EXPECT_TRUE(names(refusal_of("a:00\nb:5ec4e7\na:01\n"), ":3: \"a\" is there twice"));
  EXPECT_TRUE(names(refusal_of(std::string(257, 'a') + ":00\n"), "256"));
  EXPECT_TRUE(names(refusal_of("a:" + std::string(2 * 513, '0') + "\n"), "512"));
  EXPECT_TRUE(names(refusal_of(""), "USER:KEY"));
}

TEST_F(TlsPskFile, UnreadableFileIsNamedInTheError) {
  EXPECT_TRUE(names(refusal(settings), "No such file or directory"));
  fs::create_directory(settings.tls_psk);
  EXPECT_TRUE(names(refusal(settings), settings.tls_psk));
}

}  // namespace
}  // namespace nbdstream::test
