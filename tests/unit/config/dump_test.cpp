// SPDX-License-Identifier: BSD-3-Clause
#include "config/dump.hpp"

#include "config/toml.hpp"
#include "config/validate.hpp"
#include "unit/config/config_support.hpp"

#include <random>

namespace nbdstream::config {
namespace {

configuration again(const configuration& config) {
  configuration read;
  const std::string text = to_toml(config, nullptr);
  EXPECT_NO_THROW(read_toml(text, "dump", read)) << text;
  return read;
}

/// Any text that TOML can carry: control characters, quotes, several bytes a letter.
std::string odd_text(std::mt19937& random) {
  constexpr std::string_view pieces[] = {
      "\"", "\\",    "\n", "\r",   "\t", "\x01",     "\x7f",         "'",
      "#",  "=",     "]",  "$uri", "a",  "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x92\xbe",
      " ",  "\"\"\""};
  std::string out;
  for (auto n = random() % 8; n > 0; --n) out += pieces[random() % std::size(pieces)];
  return out;
}

template <class T>
T one_of(std::mt19937& random, std::initializer_list<T> values) {
  return *(values.begin() + random() % values.size());
}

nanoseconds odd_time(std::mt19937& random) {
  return nanoseconds(one_of<std::int64_t>(random, {0, 1, 1'000'000, 90'000'000'000}) *
                     static_cast<std::int64_t>(random() % 1000));
}

server_config odd_server(std::mt19937& random) {
  server_config s;
  for (auto n = random() % 3; n > 0; --n) {
    s.listen.push_back(one_of<listen_address>(
        random, {{kind::unix_path, "/x" + odd_text(random), "", 10809},
                 {kind::private_unix, "", "", 10809},
                 {kind::abstract_unix, "a" + odd_text(random), "", 10809},
                 {kind::tcp, "", one_of<const char*>(random, {"::1", "localhost"}), 7},
                 {kind::vsock, "", "", 9}}));
  }
  if (random() % 2 == 0) s.unix_mode = random() % 01000;
  s.single = random() % 2 == 0;
  s.run = odd_text(random);
  s.run_shell = "/" + odd_text(random);
  s.run_grace = odd_time(random);
  s.grace = odd_time(random);
  s.handshake_timeout = odd_time(random);
  s.payload_timeout = odd_time(random);
  if (random() % 2 == 0) s.client_timeout = odd_time(random);
  s.path = one_of(random, {data_path::automatic, data_path::copy});
  if (random() % 2 == 0) {
    s.tls = one_of(random, {tls_mode::off, tls_mode::on, tls_mode::require});
  }
  s.tls_certificates = odd_text(random);
  s.tls_psk = odd_text(random);
  s.tls_verify_peer = random() % 2 == 0;
  s.pidfile = odd_text(random);
  s.exit_with_parent = random() % 2 == 0;
  s.progress = random() % 2 == 0;
  if (!s.progress && random() % 2 == 0) s.progress_fd = static_cast<int>(random() % 100);
  s.control = odd_text(random);
  if (!s.control.empty()) s.control_mode = random() % 01000;
  if (random() % 2 == 0) {
    s.metrics =
        listen_address{listen_address::kind::tcp, "", one_of<std::string>(random, {"h", "::1"}),
                       1 + static_cast<std::uint32_t>(random() % 65535)};
  }
  s.metrics_file = odd_text(random);
  if (random() % 2 == 0) {
    s.log_to = one_of(random, {log::target::standard_error, log::target::journal});
  }
  s.log_level = one_of(random, {log::level::error, log::level::warning, log::level::debug});
  s.log_format = one_of(random, {log::format::text, log::format::json});
  return s;
}

export_config odd_export(std::mt19937& random, std::size_t number) {
  export_config e;
  e.name = std::to_string(number) + odd_text(random);
  e.description = odd_text(random);
  if (random() % 2 == 0) e.size = random() * (random() % 4096);
  if (!e.size) e.max_stream = 1 + random();
  e.order = one_of(random, {order_mode::automatic, order_mode::strict, order_mode::window,
                            order_mode::spill, order_mode::spool});
  e.window = random() * (random() % 4096);
  e.stall = odd_time(random);
  e.spill_directory = odd_text(random);
  if (random() % 2 == 0) e.spill_limit = random();
  if (random() % 2 == 0) e.gaps = one_of(random, {gaps_policy::allow, gaps_policy::refuse});
  e.pad = random() % 2 == 0;
  e.streams = random() % 5;
  e.end = one_of(random, {end_policy::goodbye, end_policy::told});
  e.receipt = odd_text(random);
  if (random() % 2 == 0) {
    e.digest = one_of(
        random, {digest_algorithm::sha256, digest_algorithm::blake2b, digest_algorithm::xxh3});
  }
  if (random() % 2 == 0) e.zstd_level = 1 + static_cast<int>(random() % 19);
  e.settle = odd_time(random);
  e.sink.module = "m" + odd_text(random);
  if (random() % 2 == 0) e.sink.argument = odd_text(random);
  for (auto n = random() % 4; n > 0; --n) {
    e.sink.settings.push_back({std::to_string(n) + odd_text(random), odd_text(random), ""});
  }
  return e;
}

TEST(Dump, IsReadBackAsTheSameConfiguration) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    configuration config;
    config.server = odd_server(random);
    for (std::size_t n = random() % 4; n > 0; --n) config.exports.push_back(odd_export(random, n));
    ASSERT_EQ(again(config), config) << to_toml(config, nullptr);
  }
}

TEST(Dump, ShowsWhatACommandLineMeans) {
  configuration config = parse({"--sink", "fifo:out", "--size", "40G", "--run", "x"}).config;
  static_cast<void>(complete_and_validate(config));
  const std::string text = to_toml(config, nullptr);
  EXPECT_TRUE(names(text, {"[server]\nlisten = [\"unix:-\"]\n", "run = \"x\"\n", "[[export]]\n",
                           "size = \"40G\"\n", "# gaps = \"allow\" unless it is given\n",
                           "[export.sink]\nmodule = \"fifo\"\nargument = \"out\"\n"}));
  EXPECT_EQ(again(config), config);
}

TEST(Dump, ShowsTheWindowAlwaysAndTheSpillFileWhereItIsGiven) {
  const std::string plain = to_toml(parse({"--size", "1G"}).config, nullptr);
  EXPECT_TRUE(names(plain, {"order = \"auto\"\nwindow = \"64M\"\nstall = \"2s\"\n"}));
  EXPECT_EQ(plain.find("spill-"), plain.npos) << plain;
  const std::string given =
      to_toml(parse({"--spill-directory", "/big", "--spill-limit", "1T"}).config, nullptr);
  EXPECT_TRUE(names(given, {"spill-directory = \"/big\"\nspill-limit = \"1T\"\n"}));
}

TEST(Dump, SaysWhatTheOrderAutoIs) {
  const auto text = [](const std::vector<std::string>& words) {
    return to_toml(parse(words).config, nullptr);
  };
  EXPECT_TRUE(names(text({"--no-pad"}), {"\n# order \"auto\" is \"spill\"\n"}));
  EXPECT_EQ(text({"--order", "spool"}).find("# order"), std::string::npos);
}

TEST(Dump, NeverShowsASecret) {
  const configuration config =
      parse({"--sink", "s3:hidden1", "-o", "password=hidden2", "-o", "region=eu"}).config;
  const std::string text = to_toml(config, [](const export_config& e, std::string_view key) {
    EXPECT_EQ(e.sink.module, "s3");
    return key == "password" || key == "argument";
  });
  EXPECT_EQ(text.find("hidden"), text.npos) << text;
  EXPECT_TRUE(
      names(text, {"\n# argument is a secret", "\n# password is a secret", "region = \"eu\""}));
  configuration read;
  EXPECT_NO_THROW(read_toml(text, "dump", read));
}

TEST(Dump, RefusesWhatTomlCannotCarry) {
  const configuration config = parse({"--pidfile", "/run/\xff"}).config;
  EXPECT_TRUE(
      names(error_of([&] { static_cast<void>(to_toml(config, nullptr)); }), {"pidfile", "UTF-8"}));
}

}  // namespace
}  // namespace nbdstream::config
