// SPDX-License-Identifier: BSD-3-Clause
//
// The sink `null` with real clients.
#include "support/integration_test.hpp"

namespace nbdstream::test {
namespace {

class null_sink : public integration_test {
 protected:
  /// What sha256sum makes of in.raw.
  [[nodiscard]] std::string wanted() const { return start_shell("sha256sum < in.raw").wait().out; }
};

TEST_F(null_sink, counts_what_it_discards) {
  make_disk();
  const result ended = nbdstream({"--sink", "null", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "sink null: 8388608 bytes\n"));
}

TEST_F(null_sink, has_the_digest_of_the_disk_in_the_log_and_in_a_file) {
  make_disk();
  const result ended = nbdstream(
      {"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum", "--run", convert});
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "8388608 bytes, sha256 " + wanted().substr(0, 64)));
  EXPECT_TRUE(holds(path("sum"), wanted()));
  EXPECT_EQ(ended.out, "") << "that may be another export's";
}

TEST_F(null_sink, has_the_same_digest_whichever_way_the_disk_comes) {
  make_disk();
  const std::string out_of_order = R"(qemu-img convert -n -W -m 16 in.qcow2 -O raw "$uri")";
  for (const char* order : {"window", "spill", "spool"}) {
    EXPECT_TRUE(
        ended_with(0, nbdstream({"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum",
                                 "--order", order, "--run", out_of_order})));
    EXPECT_TRUE(holds(path("sum"), wanted())) << order;
  }
}

TEST_F(null_sink, has_no_digest_of_a_stream_that_broke_off) {
  const result ended = nbdstream({"--sink", "null", "-o", "digest=sha256", "-o", "digest-file=sum",
                                  "--run", client_command("send(b'torn')") + "; exit 3"});
  EXPECT_TRUE(ended_with(3, ended));
  EXPECT_EQ(ended.err.find("sha256"), std::string::npos) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(path("sum")));
}

TEST_F(null_sink, names_its_export_where_there_are_several) {
  write_file(path("two.toml"),
             "[[export]]\nname = \"vm1\"\n[export.sink]\nmodule = \"null\"\ndigest = \"sha256\"\n"
             "[[export]]\nname = \"vm2\"\n[export.sink]\nmodule = \"null\"\n");
  process server = start_listening({"--config", "two.toml"});
  for (const char* name : {"vm1", "vm2"})
    EXPECT_TRUE(ended_with(0, client("h.pwrite(b'abc', 0); h.shutdown()",
                                     "nbd+unix:///" + std::string(name) + "?socket=sock")));
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(0, ended));
  EXPECT_TRUE(mentions(ended.err, "export \"vm1\": 3 bytes, sha256 ba7816bf"));
  EXPECT_TRUE(mentions(ended.err, "export \"vm2\": 3 bytes\n"));
}

/// More zeroes than can be digested in the time of a test: only SIGTERM can end it.
TEST_F(null_sink, can_be_ended_while_it_digests_zeroes_by_the_terabyte) {
  process server = start_listening({"--sink", "null", "-o", "digest=sha256"});
  process writer = start_client(R"(
for i in range(8000): h.zero(1 << 31, i << 31)
h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(b'x')), 8000 << 31)
touch('sent')
stay()
)");
  wait_for("sent");
  EXPECT_TRUE(ended_with(0, start({"nbdinfo", "--size", unix_uri}).wait()))
      << "others are served meanwhile";
  server.signal(SIGTERM);
  const result ended = server.wait();
  EXPECT_TRUE(ended_with(128 + SIGTERM, ended));
  EXPECT_EQ(ended.err.find("has not returned"), std::string::npos) << ended.err;
}

TEST_F(null_sink, refuses_a_digest_that_it_does_not_know) {
  const result ended = nbdstream({"--sink", "null", "-o", "digest=md5", "-U", "sock"});
  EXPECT_TRUE(ended_with(2, ended));
  EXPECT_TRUE(mentions(ended.err, "sha256"));
}

}  // namespace
}  // namespace nbdstream::test
