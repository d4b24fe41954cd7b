// SPDX-License-Identifier: BSD-3-Clause
#include "support/integration_test.hpp"

#include <stdexcept>
#include <utility>

namespace nbdstream::test {
namespace {

const std::string bin = NBDSTREAM_BIN;

const char* const client_prelude = R"(
import errno, os, time
def send(data, offset=0, step=65536):
    for i in range(0, len(data), step):
        h.pwrite(data[i:i+step], offset + i)
def file(name):
    with open(name, 'rb') as f:
        return f.read()
def touch(name):
    open(name, 'w').close()
def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.005)
def fails_with(number, call, *args):
    try:
        call(*args)
    except nbd.Error as e:
        assert e.errnum == number, e
    else:
        raise SystemExit('has succeeded')
def another_connection():
    other = nbd.NBD()
    other.connect_uri(h.get_uri())
    return other
def stay():
    while True:
        h.poll(-1)
def write_and_stay(data):
    buffer = nbd.Buffer.from_bytearray(bytearray(data))
    h.aio_pwrite(buffer, 0)
    touch('sent')
    stay()
)";

arguments with(arguments args, const arguments& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace

::testing::AssertionResult ended_with(int status, const result& ended) {
  if (ended.status == status) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "exit status " << ended.status << ", expected " << status << "; stderr:\n"
         << ended.err;
}

::testing::AssertionResult mentions(std::string_view text, std::string_view part) {
  if (text.find(part) != text.npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "no \"" << part << "\" in:\n" << text;
}

integration_test::integration_test() : temporary_(path("tmp")) {
  adopt_orphans();
  std::filesystem::create_directory(temporary_);
}

void integration_test::TearDown() {
  EXPECT_EQ(end_leftovers(), std::vector<std::string>()) << "still running after the test";
  EXPECT_TRUE(std::filesystem::is_empty(temporary_))
      << std::filesystem::directory_iterator(temporary_)->path() << " was left";
}

process integration_test::start(arguments argv, process::options how) const {
  how.directory = directory_.path();
  how.environment.insert(
      how.environment.end(),
      {"PATH=" + bin + ":/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR=" + temporary_.string(),
       // A sanitizer's report must not pass for an exit status of nbdstream's own.
       "ASAN_OPTIONS=exitcode=99", "LSAN_OPTIONS=exitcode=99", "UBSAN_OPTIONS=exitcode=99"});
  return {std::move(argv), how};
}

process integration_test::start_shell(const std::string& script) const {
  return start({"/bin/sh", "-c", script});
}

process integration_test::start_nbdstream(const arguments& args, process::options how) const {
  return start(with({"nbdstream"}, args), std::move(how));
}

result integration_test::nbdstream(const arguments& args, process::options how) const {
  return start_nbdstream(args, std::move(how)).wait();
}

arguments integration_test::running(const std::string& command, const arguments& more) {
  return with({"--sink", "fifo:output", "--run", command}, more);
}

process integration_test::start_listening(const arguments& args) const {
  process server = start_nbdstream(with({"-U", "sock", "-P", "pid"}, args));
  const bool ready =
      eventually([&] { return std::filesystem::exists(path("pid")) || !server.running(); });
  if (!ready || !server.running())
    throw std::runtime_error("nbdstream did not begin to listen:\n" + server.err());
  return server;
}

process integration_test::start_reader(const std::string& fifo, const std::string& file) const {
  return start_shell("until [ -p " + fifo + " ]; do sleep 0.01; done; exec cat " + fifo + " > " +
                     file);
}

process integration_test::start_client(const std::string& script, const std::string& uri) const {
  return start({"nbdsh", "-u", uri, "-c", client_prelude + script});
}

result integration_test::client(const std::string& script, const std::string& uri) const {
  return start_client(script, uri).wait();
}

std::string integration_test::client_command(const std::string& script) const {
  write_file(path("client.py"), client_prelude + script);
  return R"(nbdsh -u "$uri" -c - < client.py)";
}

void integration_test::expect_in_raw_from(const std::string& command, const arguments& more) const {
  process reader = start_reader();
  EXPECT_TRUE(ended_with(0, nbdstream(running(command, more))));
  EXPECT_TRUE(ended_with(0, reader.wait()));
  EXPECT_TRUE(same_content(path("out.raw"), path("in.raw")));
}

void integration_test::wait_for(const std::string& name) const {
  if (!eventually([&] { return std::filesystem::exists(path(name)); }))
    throw std::runtime_error(name + " has not appeared");
}

void integration_test::make_disk(std::uint64_t size) const {
  make_sparse(path("in.raw"), size);
  make_qcow2(path("in.qcow2"), path("in.raw"));
}

std::string integration_test::convert_broken_source(const std::string& uri) const {
  make_raw(path("in.raw"), 8 * MiB);
  write_file(path("broken.conf"),
             "[inject-error]\nevent = \"read_aio\"\nsector = \"8192\"\nerrno = \"5\"\n");
  // One coroutine, so that what stands before the error was written before it is met.
  return "qemu-img convert -n -m 1 -f raw blkdebug:broken.conf:in.raw -O raw " + uri;
}

}  // namespace nbdstream::test
