// SPDX-License-Identifier: BSD-3-Clause
//
// TLS with real clients, which use GnuTLS where nbdstream uses OpenSSL.
#include "support/certificates.hpp"
#include "support/integration_test.hpp"

#include <algorithm>

namespace nbdstream::test {
namespace {

class Tls : public integration_test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ended_with(0, start_shell(make_certificates("certs")).wait()));
    ASSERT_TRUE(ended_with(0, start_shell(make_certificates("others")).wait()));
    write_file(path("keys.psk"),
               "alice:" + std::string(64, '5') + "\nbob:" + std::string(64, 'c') + "\n");
    make_raw(path("in.raw"), 4 * MiB);
  }

  static inline const arguments certificates = {"--tls", "require", "--tls-certificates", "certs"};
  static inline const arguments keys = {"--tls", "require", "--tls-psk", "keys.psk"};

  static arguments both(arguments args, const arguments& more) {
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static arguments tcp() { return {"-p", std::to_string(free_port())}; }

  /// A libnbd script that writes in.raw to `uri`.
  static inline const std::string send_in_raw = R"(
h.set_uri_allow_local_file(True)
h.connect_uri(uri)
data = open('in.raw', 'rb').read()
for i in range(0, len(data), 65536):
    h.pwrite(data[i:i+65536], i)
)";
  /// Runs that script as bob on the Unix socket, followed by `then`.
  result nbdsh(const std::string& then) const {
    return start({"nbdsh", "-c",
                  "import os; uri = 'nbds+unix://bob@/?socket=sock&tls-psk-file=keys.psk'" +
                      send_in_raw + then})
        .wait();
  }

  /// nbdstream runs `command`, which must send in.raw, over a Unix socket and over TCP.
  void expect_in_raw_from(const std::string& command, const arguments& args) {
    for (const auto& more : {arguments(), tcp()}) {
      process reader = start_reader();
      EXPECT_TRUE(ended_with(0, nbdstream(running(command, both(args, more)))));
      EXPECT_TRUE(ended_with(0, reader.wait()));
      EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
      std::filesystem::remove(path("output"));
    }
  }

  /// Expects that the command and nbdstream fail. Returns what they log.
  std::string refusal_of(const std::string& command, const arguments& args) {
    const result ended = nbdstream(running(command, both(args, tcp())));
    EXPECT_NE(ended.status, 0);
    return ended.err;
  }

  /// The command with which qemu-img writes in.raw, with these credentials, to $unixsocket or
  /// $port.
  static std::string qemu_img(const std::string& credentials) {
    return "if [ -n \"$port\" ]; then to=server.type=inet,server.host=127.0.0.1,server.port=$port;"
           " else to=server.type=unix,server.path=$unixsocket,tls-hostname=localhost; fi;"
           " exec qemu-img convert -n -f raw in.raw --target-image-opts --object " +
           credentials + ",id=t,endpoint=client driver=nbd,tls-creds=t,$to";
  }
};

TEST_F(Tls, NbdinfoReportsTls) {
  process server = start_listening(both({"--sink", "fifo:output"}, certificates));
  const result ended =
      start({"nbdinfo", "nbds+unix:///?socket=sock&tls-certificates=certs"}).wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.out, "newstyle-fixed with TLS"));
  server.signal(SIGTERM);
  EXPECT_TRUE(ended_with(128 + SIGTERM, server.wait()));
}

TEST_F(Tls, NbdcopyWorksWithCertificates) {
  expect_in_raw_from(R"(nbdcopy in.raw "$uri")", certificates);
}

TEST_F(Tls, NbdcopyWorksWithPsk) {
  expect_in_raw_from(R"(nbdcopy in.raw "$uri")", keys);
}

TEST_F(Tls, NbdcopyWorksWithVerifiedClientCertificate) {
  expect_in_raw_from(R"(nbdcopy in.raw "$uri")", both(certificates, {"--tls-verify-peer"}));
}

TEST_F(Tls, QemuImgWorksWithCertificates) {
  expect_in_raw_from(qemu_img("tls-creds-x509,dir=certs"), certificates);
}

TEST_F(Tls, QemuImgWorksWithPsk) {
  expect_in_raw_from(qemu_img("tls-creds-psk,dir=.,username=alice"), keys);
}

TEST_F(Tls, QemuImgWorksWithPskInTls12) {
  for (const auto* const exchange : {"+ECDHE-PSK", "+DHE-PSK", "+PSK"}) {
    const auto priority = std::string("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:") + exchange;
    expect_in_raw_from(qemu_img("tls-creds-psk,dir=.,username=alice,priority=" + priority), keys);
  }
}

TEST_F(Tls, QemuImgWorksWithCertificatesInTls12) {
  expect_in_raw_from(qemu_img("tls-creds-x509,dir=certs,priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"),
                     certificates);
}

TEST_F(Tls, Versions10And11AreRefused) {
  const auto command = qemu_img(
      "tls-creds-x509,dir=certs,priority=NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT");
  EXPECT_TRUE(mentions(refusal_of(command, certificates), "the TLS handshake failed: "));
}

TEST_F(Tls, SeveralConnectionsMakeOneStream) {
  expect_in_raw_from(R"(nbdcopy --connections=4 in.raw "$uri")",
                     both(certificates, {"--size", "4M"}));
}

TEST_F(Tls, RunCommitsWithoutDisconnect) {
  write_file(path("client.py"), "import os; uri = os.environ['uri']\n" + send_in_raw);
  expect_in_raw_from("exec nbdsh -c - < client.py", certificates);
}

TEST_F(Tls, SizeCommitsAfterDisconnect) {
  process reader = start_reader();
  process server = start_listening(both({"--sink", "fifo:output", "--size", "4M"}, keys));
  EXPECT_TRUE(ended_with(0, nbdsh("h.shutdown()")));
  EXPECT_TRUE(ended_with(0, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

TEST_F(Tls, KilledClientAbortsStream) {
  process reader = start_reader();
  process server = start_listening(both({"--sink", "fifo:output", "--size", "4M"}, keys));
  static_cast<void>(nbdsh("os.kill(os.getpid(), 9)"));
  EXPECT_TRUE(ended_with(1, server.wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
}

TEST_F(Tls, RequireRefusesPlainClientsAndHidesExports) {
  const auto said = refusal_of(R"(nbdinfo --json --list "nbd://127.0.0.1:$port")",
                               both(certificates, {"-e", "secretname"}));
  EXPECT_EQ(said.find("secretname"), std::string::npos) << said;
  EXPECT_TRUE(mentions(
      refusal_of(R"(qemu-img convert -n -f raw in.raw -O raw "nbd://127.0.0.1:$port")", keys),
      "requires TLS"));
}

TEST_F(Tls, OnAcceptsPlainAndTlsClients) {
  const arguments on = {"--tls", "on", "--tls-certificates", "certs"};
  expect_in_raw_from(R"(nbdcopy in.raw "$uri")", on);
  expect_in_raw_from(qemu_img("tls-creds-x509,dir=certs"), on);
}

TEST_F(Tls, OffRefusesTlsClients) {
  static_cast<void>(refusal_of(R"(nbdinfo "nbds://127.0.0.1:$port")", {"--tls", "off"}));
}

TEST_F(Tls, WrongCertificateOrKeyIsRefused) {
  const auto strict = both(certificates, {"--tls-verify-peer"});
  const std::string stranger =
      "cp certs/ca-cert.pem others/; exec nbdcopy in.raw"
      " \"nbds://127.0.0.1:$port/?tls-certificates=$PWD/others\"";
  EXPECT_TRUE(mentions(refusal_of(stranger, strict), "the TLS handshake failed: "));
  std::filesystem::create_directory(path("wrong"));
  write_file(path("wrong/keys.psk"), "alice:" + std::string(64, '6') + "\n");
  EXPECT_TRUE(mentions(refusal_of(qemu_img("tls-creds-psk,dir=wrong,username=alice"), keys),
                       "the TLS handshake failed: "));
}

TEST_F(Tls, RunCommandGetsTlsAndUriVariables) {
  const std::string show = R"(printf '%s\n' "$tls" "$uri" > variables; exit 3)";
  const auto variables = [&](const arguments& args) {
    EXPECT_TRUE(ended_with(3, nbdstream(running(show, both(args, {"-e", "disk one"})))));
    return read_file(path("variables"));
  };
  const auto here = std::filesystem::canonical(path(".")).string();
  EXPECT_TRUE(mentions(variables(certificates), "2\nnbds+unix:///disk%20one?socket=/"));
  EXPECT_TRUE(mentions(read_file(path("variables")), "&tls-certificates=" + here + "/certs\n"));
  EXPECT_TRUE(mentions(variables(keys), "2\nnbds+unix://alice@/disk%20one?socket=/"));
  EXPECT_TRUE(mentions(read_file(path("variables")), "&tls-psk-file=" + here + "/keys.psk\n"));
  const auto port = tcp();
  EXPECT_EQ(variables(both(keys, port)), "2\nnbds://alice@127.0.0.1:" + port[1] +
                                             "/disk%20one?tls-psk-file=" + here + "/keys.psk\n");
  EXPECT_TRUE(mentions(variables({"--tls-psk", "keys.psk"}), "1\nnbd+unix:///disk%20one?socket=/"));
}

TEST_F(Tls, UnreadableFileIsOneLineBeforeAnythingIsCreated) {
  std::filesystem::remove(path("certs/server-key.pem"));
  for (const auto& [args, file] :
       {std::pair(certificates, "certs/server-key.pem"),
        std::pair(arguments{"--tls-psk", "nowhere.psk"}, "nowhere.psk")}) {
    const result ended = nbdstream(running("touch ran", args));
    EXPECT_TRUE(ended_with(2, ended));
    EXPECT_TRUE(mentions(ended.err, file));
    EXPECT_TRUE(mentions(ended.err, "No such file or directory"));
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(path("output")));
    EXPECT_FALSE(std::filesystem::exists(path("ran")));
  }
}

TEST_F(Tls, WorksOnStdinAndStdout) {
  process reader = start_reader();
  const std::string script = R"(
import nbd
h.set_tls(nbd.TLS_REQUIRE)
h.set_tls_psk_file('keys.psk')
h.set_tls_username('alice')
h.connect_command(['nbdstream', '-s', '--sink', 'fifo:output', '--tls=require',
                   '--tls-psk=keys.psk'])
h.pwrite(open('in.raw', 'rb').read(), 0)
h.shutdown()
)";
  EXPECT_TRUE(ended_with(0, start({"nbdsh", "-c", script}).wait()));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

}  // namespace
}  // namespace nbdstream::test
