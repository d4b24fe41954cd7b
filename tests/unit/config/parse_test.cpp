// SPDX-License-Identifier: BSD-3-Clause
#include "config/parse.hpp"

#include "unit/config/config_support.hpp"

#include <cstdint>
#include <utility>

namespace nbdstream::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t largest = INT64_MAX;

TEST(ParseSize, ReadsWhatNbdkitReads) {
  const std::pair<const char*, std::uint64_t> table[] = {{"0", 0},
                                                         {"-0", 0},
                                                         {"+0", 0},
                                                         {" 08", 8},
                                                         {"+1", 1},
                                                         {"1234567890", 1234567890},
                                                         {"1s", 512},
                                                         {"2S", 1024},
                                                         {"1b", 1},
                                                         {"1B", 1},
                                                         {"1k", 1 << 10},
                                                         {"640K", 640 << 10},
                                                         {"1m", 1 << 20},
                                                         {"+1M", 1 << 20},
                                                         {"40G", 40ULL << 30},
                                                         {"1t", 1ULL << 40},
                                                         {"8191P", 8191ULL << 50},
                                                         {"7e", 7ULL << 60},
                                                         {"9223372036854775807", largest},
                                                         {"0E", 0}};
  for (const auto& [text, bytes] : table) EXPECT_EQ(parse_size(text), bytes) << text;
}

TEST(ParseSize, RefusesEverythingElseNamingIt) {
  for (const std::string text : {"",
                                 "M",
                                 "garbage",
                                 "0garbage",
                                 "0x0",
                                 "0x10",
                                 "1MB",
                                 "1MiB",
                                 "1.5M",
                                 "1 M",
                                 "1M ",
                                 "8E",
                                 "8192P",
                                 "9223372036854775808",
                                 "18446744073709551616",
                                 "18446744073709551615s",
                                 "999999999999999999999999",
                                 "-1",
                                 "-2k",
                                 "--1",
                                 "+-1",
                                 "+",
                                 "-",
                                 "-9223372036854775809",
                                 "-18446744073709551615",
                                 "1\n"}) {
    const std::string message = error_of([&] { static_cast<void>(parse_size(text)); });
    EXPECT_EQ(message.front(), '"');
  }
  EXPECT_TRUE(
      names(error_of([] { static_cast<void>(parse_size("8E")); }), {"\"8E\"", "too large"}));
  EXPECT_TRUE(names(error_of([] { static_cast<void>(parse_size("-5")); }), {"\"-5\"", "negative"}));
}

TEST(ParseDuration, ReadsUnitsAndFractions) {
  const std::pair<const char*, nanoseconds> table[] = {{"10", seconds(10)},
                                                       {"10s", seconds(10)},
                                                       {"500ms", milliseconds(500)},
                                                       {"2m", minutes(2)},
                                                       {"1h", hours(1)},
                                                       {"100us", microseconds(100)},
                                                       {"7ns", nanoseconds(7)},
                                                       {"0.5s", milliseconds(500)},
                                                       {"0.5", milliseconds(500)},
                                                       {"1.25m", seconds(75)},
                                                       {"1.5h", minutes(90)},
                                                       {"0", seconds(0)},
                                                       {"0.0000000019", nanoseconds(1)},
                                                       {"875999h", hours(875999)}};
  for (const auto& [text, time] : table) EXPECT_EQ(parse_duration(text), time) << text;
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const std::string text : {"", "s", "-1", "+1", " 1", "1 s", "1.", ".5", "1.s", "1S", "1d",
                                 "1ms2", "0x1", "876000h", "99999999999999999999s", "1e3", "inf"}) {
    EXPECT_EQ(error_of([&] { static_cast<void>(parse_duration(text)); }).front(), '"');
  }
}

TEST(ParseBoolean, ReadsNbdkitsWordsInAnyCase) {
  for (const auto yes : {"true", "T", "yes", "Y", "On", "1"}) EXPECT_TRUE(parse_boolean(yes));
  for (const auto no : {"false", "F", "NO", "n", "off", "0"}) EXPECT_FALSE(parse_boolean(no));
  for (const auto odd : {"", "2", "maybe", "yess", " yes"}) {
    EXPECT_TRUE(names(error_of([&] { static_cast<void>(parse_boolean(odd)); }), {"neither"}));
  }
}

TEST(ParseInteger, KeepsItsRange) {
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_integer("65535", 0, 65535), 65535);
  for (const auto odd :
       {"", "-", "1x", "x", "0x1", "1.0", " 1", "65536", "-1", "9999999999999999999"}) {
    EXPECT_NE(error_of([&] { static_cast<void>(parse_integer(odd, 0, 65535)); }), "");
  }
}

TEST(Format, WritesTheShortestTextThatIsReadBack) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(512), "512");
  EXPECT_EQ(format_size(40ULL << 30), "40G");
  EXPECT_EQ(format_size(1536), "1536");
  EXPECT_EQ(format_size(unknown_size), "8589934591G");
  EXPECT_EQ(format_duration(seconds(0)), "0s");
  EXPECT_EQ(format_duration(seconds(90)), "90s");
  EXPECT_EQ(format_duration(hours(2)), "2h");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1500ms");
  for (std::uint64_t bytes = 1; bytes < largest / 7; bytes = bytes * 7 + bytes % 3 * 1024) {
    EXPECT_EQ(parse_size(format_size(bytes)), bytes);
    const auto time = nanoseconds(static_cast<std::int64_t>(bytes));
    if (time < longest_duration) {
      EXPECT_EQ(parse_duration(format_duration(time)), time);
    }
  }
}

TEST(ParseListen, ReadsAddressesAndWritesThemBack) {
  const auto unix_socket = parse_listen("unix:/run/a b:c.sock");
  EXPECT_EQ(unix_socket.what, kind::unix_path);
  EXPECT_EQ(unix_socket.path, "/run/a b:c.sock");
  EXPECT_EQ(parse_listen("unix:-").what, kind::private_unix);
  EXPECT_EQ(parse_listen("unix:@nbd"), (listen_address{kind::abstract_unix, "nbd", "", 10809}));
  EXPECT_EQ(parse_listen("unix:./@nbd").what, kind::unix_path);
  const auto tcp = parse_listen("tcp:127.0.0.1:10900");
  EXPECT_EQ(tcp.what, kind::tcp);
  EXPECT_EQ(tcp.host, "127.0.0.1");
  EXPECT_EQ(tcp.port, 10900U);
  EXPECT_EQ(parse_listen("tcp:backup.example").port, 10809U);
  EXPECT_EQ(parse_listen("tcp:[::1]:0").host, "::1");
  EXPECT_EQ(parse_listen("tcp:[::1]").port, 10809U);
  EXPECT_EQ(parse_listen("vsock:4294967294").port, 4294967294U);
  for (const auto text : {"unix:/a", "unix:-", "unix:@a", "unix:./@a", "tcp:127.0.0.1:0",
                          "tcp:[fe80::1%eth0]:10809", "tcp:host:65535", "vsock:10809"}) {
    EXPECT_EQ(format_listen(parse_listen(text)), text);
  }
}

TEST(ParseListen, RefusesWhatIsNoAddressAndSaysHowToWriteOne) {
  for (const std::string text : {"",
                                 "unix",
                                 "unix:",
                                 "/run/x",
                                 "unix:@",
                                 "tcp:",
                                 "tcp::10809",
                                 "tcp:[",
                                 "tcp:[]",
                                 "tcp:[]:1",
                                 "tcp:[::1",
                                 "tcp:[::1]x",
                                 "tcp:::1:10809",
                                 "tcp:h:",
                                 "tcp:h:x",
                                 "tcp:h:65536",
                                 "tcp:h:-1",
                                 "tcp:a b:1",
                                 "vsock:",
                                 "vsock:0",
                                 "vsock:4294967295",
                                 "vsock:2:1",
                                 "udp:h:1",
                                 "TCP:h:1"}) {
    EXPECT_NE(error_of([&] { static_cast<void>(parse_listen(text)); }), "") << text;
  }
  EXPECT_TRUE(names(error_of([] { static_cast<void>(parse_listen("tcp::10809")); }),
                    {"tcp::10809", "tcp:127.0.0.1:PORT", "tcp:0.0.0.0:PORT"}));
  EXPECT_TRUE(names(error_of([] { static_cast<void>(parse_listen("tcp:::1:10809")); }),
                    {"brackets", "tcp:[::1]:10809"}));
}

TEST(ParseCompression, TakesALevelOrTheUsualOne) {
  EXPECT_EQ(parse_compression("zstd"), 3);
  EXPECT_EQ(parse_compression("zstd:1"), 1);
  EXPECT_EQ(parse_compression("zstd:19"), 19);
  EXPECT_EQ(parse_compression("zstd:-7"), -7);
  for (const auto text : {"zstd:-7", "zstd:3", "zstd:19"}) {
    EXPECT_EQ(format_compression(parse_compression(text)), text);
  }
}

TEST(ParseCompression, RefusesWhatIsNoneAndSaysHowToWriteOne) {
  const auto refusal = [](std::string_view text) {
    return error_of([&] { static_cast<void>(parse_compression(text)); });
  };
  for (const std::string text : {"", "zst", "zstd9", "gzip", "gzip:9", "ZSTD"}) {
    EXPECT_TRUE(names(refusal(text), {"is not a compression", "zstd:9"})) << text;
  }
  for (const std::string text : {"zstd:", "zstd:x", "zstd:9 "}) {
    EXPECT_TRUE(names(refusal(text), {"is not a whole number"})) << text;
  }
  for (const std::string text : {"zstd:20", "zstd:-8"}) {
    EXPECT_TRUE(names(refusal(text), {"from -7 to 19"})) << text;
  }
  EXPECT_TRUE(names(refusal("zstd:0"), {"level 0", "zstd:3"}));
}

TEST(ParseMode, TakesOctalDigits) {
  EXPECT_EQ(parse_mode("0660"), 0660U);
  EXPECT_EQ(parse_mode("660"), 0660U);
  EXPECT_EQ(parse_mode("0"), 0U);
  EXPECT_EQ(parse_mode("0777"), 0777U);
  for (const auto text : {"0000", "0007", "0660", "0777"}) {
    EXPECT_EQ(format_mode(parse_mode(text)), text);
  }
}

TEST(ParseMode, RefusesWhatIsNoModeAndSaysHowToWriteOne) {
  for (const std::string text : {"", "0668", "1000", "01777", "-1", "+1", "rw", "0660 ", "0x1"}) {
    const auto said = error_of([&] { static_cast<void>(parse_mode(text)); });
    EXPECT_TRUE(names(said, {"is not a mode", "0660"})) << text;
  }
}

}  // namespace
}  // namespace nbdstream::config
