// SPDX-License-Identifier: BSD-3-Clause
//
// The scripted sessions that are run again and again, and what must hold whatever goes wrong.
#ifndef NBDSTREAM_TESTS_UNIT_SERVER_SCENARIOS_HPP
#define NBDSTREAM_TESTS_UNIT_SERVER_SCENARIOS_HPP

#include "rig.hpp"
#include "support/scripted_client.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace nbdstream::test {

struct scenario {
  std::string name;
  nbd_export::settings settings;
  scripted_client client;
  std::string meant;    ///< the stream, where all goes well
  bool commits = true;  ///< where all goes well
  bool held = false;    ///< an answered write may fail later, when no reply can report it
  std::vector<std::size_t> splits{};  ///< where reads of the script end
  bool large = false;                 ///< it has payloads that are spliced
  bool ends_visibly = false;  ///< `meant` tells its end: what is aborted never has all of it
  bool spills = false;        ///< then answers may come in another order
};

/// `length` bytes that differ from one another and from zero.
inline std::string pattern(std::size_t length, unsigned seed = 1) {
  std::string text(length, '\0');
  unsigned x = seed * 2654435761U + 1;
  for (auto& c : text) {
    x = x * 1664525U + 1013904223U;
    c = static_cast<char>((x >> 24) | 1U);
  }
  return text;
}

inline scenario every_command() {
  scenario s{"every command", rig::plain(), {}, {}, true};
  const auto a = pattern(20, 1);
  const auto b = pattern(30, 2);
  const auto c = pattern(10, 3);
  const auto d = pattern(7, 4);
  s.client.flags().go().write(0, a).write(20, b).write(50, c).zeroes(60, 25).trim(85, 15).flush();
  s.client.write(105, d, scripted_client::fua).read(200, 16).disc();
  s.meant = a + b + c + std::string(45, '\0') + d;
  return s;
}

inline scenario by_export_name() {
  scenario s{"EXPORT_NAME, with a size", rig::sized(100), {}, {}, true};
  const auto a = pattern(40);
  s.client.flags(1).export_name().write(0, a).zeroes(40, 20);
  s.client.write(60, pattern(30, 2) + std::string(100, '\0')).disc();
  // The tail beyond the size is dropped, and 90 to 100 was named as zeroes.
  s.meant = a + std::string(20, '\0') + pattern(30, 2) + std::string(10, '\0');
  return s;
}

inline scenario pipelined() {
  constexpr int requests = 280;
  scenario s{"280 writes at once", rig::plain(), {}, {}, true};
  s.client.flags().go();
  for (int i = 0; i < requests; ++i) {
    const auto data = pattern(16, static_cast<unsigned>(i));
    s.client.write(s.meant.size(), data);
    s.meant += data;
  }
  s.client.disc();
  return s;
}

inline scenario big_write() {
  scenario s{"a write of 1 MiB", rig::plain(), {}, pattern(1 << 20), true};
  s.client.flags().go().write(0, s.meant, scripted_client::fua).disc();
  s.large = true;
  return s;
}

inline std::vector<std::size_t> split_every(std::size_t bytes, const std::string& script) {
  std::vector<std::size_t> splits;
  for (auto at = bytes; at < script.size(); at += bytes) splits.push_back(at);
  return splits;
}

/// One behind the other, with small ones, a gap, and one that reaches beyond the size.
inline scenario large_payloads() {
  scenario s{"large payloads", rig::sized(140'001), {}, {}, true};
  const auto a = pattern(40'000, 1);
  const auto b = pattern(33'000, 2);
  const auto c = pattern(100, 3);
  const auto d = pattern(32'768, 4);
  const auto e = pattern(34'001, 5);
  s.client.flags().go().write(0, a).write(40'000, b).write(73'000, c).flush();
  s.client.write(73'100, d, scripted_client::fua).zeroes(105'868, 100);
  s.client.write(106'000, e + std::string(287, '\0')).disc();
  s.meant = a + b + c + d + std::string(132, '\0') + e;
  s.splits = split_every(15'000, s.client.script());
  s.large = true;
  return s;
}

/// Some of them held, in memory and in the spill file, between others that are not; in spool all
/// are in the file.
inline scenario large_out_of_order(stream::order order) {
  scenario s{"large payloads, out of order", rig::ordered(order, 50'000), {}, {}, true, true};
  const auto a = pattern(40'000, 1);
  const auto b = pattern(40'000, 2);
  const auto c = pattern(33'000, 3);
  const auto d = pattern(50'000, 4);
  s.client.flags().go().write(0, a).write(40'000, b).write(120'000, d).write(170'000, a);
  s.client.read(120'000, 40'000).write(80'000, c).zeroes(113'000, 7'000).disc();
  s.meant = a + b + c + std::string(7'000, '\0') + d + a;
  s.splits = split_every(12'000, s.client.script());
  s.large = order != stream::order::spool;
  s.spills = true;
  return s;
}

/// Short enough to be read byte by byte. The first is read like any other; behind it splicing
/// begins.
inline scenario two_large_payloads() {
  scenario s{"two large payloads", rig::plain(), {}, pattern(70'000), true};
  s.client.flags().go().write(0, s.meant.substr(0, 33'000)).write(33'000, s.meant.substr(33'000));
  s.client.disc();
  s.splits = {s.client.ends().at(1)};
  s.large = true;
  return s;
}

inline scenario refused() {
  scenario s{"refused writes", rig::plain(), {}, pattern(50), false};
  s.client.flags().go().write(0, s.meant).write(10, pattern(10));  // behind the cursor
  s.client.write(50, pattern(10)).zeroes(60, 10).flush().write(70, pattern(5), 0x80).disc();
  return s;
}

/// Backwards, with zeroes, an overlap and a read of what is held; too much for the window of spill,
/// which uses its file too.
inline scenario out_of_order(stream::order order, std::string name) {
  const std::uint64_t window = order == stream::order::window ? 2000 : 1000;
  scenario s{std::move(name), rig::ordered(order, window), {}, {}, true, true};
  const auto a = pattern(200, 1);
  const auto b = pattern(200, 2);
  const auto c = pattern(200, 3);
  s.client.flags().go().write(400, c).zeroes(600, 100).read(390, 20).write(200, b);
  if (order != stream::order::window) s.client.write(700, a).write(650, b).flush();
  s.client.write(0, a).disc();
  s.meant = a + b + c;
  s.meant += order == stream::order::window ? std::string(100, '\0')
                                            : std::string(50, '\0') + b + a.substr(150);
  s.spills = order != stream::order::window;
  return s;
}

/// Records of rbd-diff, as they stand in a stream.
inline std::string data_record(std::uint64_t offset, const std::string& data) {
  const auto record = diff::encode_data(offset, data.size());
  return std::string(reinterpret_cast<const char*>(record.data()), record.size()) + data;
}
inline std::string zeroes_record(std::uint64_t offset, std::uint64_t length) {
  const auto record = diff::encode_zeroes(offset, length);
  return {reinterpret_cast<const char*>(record.data()), record.size()};
}
inline std::string diff_header(const diff::header& h) {
  const auto bytes = diff::encode(h);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline nbd_export::settings as_diff(std::uint64_t size) {
  auto s = rig::sized(size);
  s.order = stream::order::any;
  s.config.format = config::stream_format::rbd_diff;
  return s;
}

/// rbd-diff: in any order, rewritten, with zeroes that become one record, and gaps.
inline scenario records() {
  scenario s{"rbd-diff", as_diff(200'000), {}, {}, true, true};
  s.settings.config.diff_to = "today";
  const auto a = pattern(40'000, 1);
  const auto b = pattern(20, 2);
  const auto c = pattern(33'000, 3);
  s.client.flags().go().write(150'000, a).write(60'000, c).write(150'000, a);
  s.client.write(0, b, scripted_client::fua)
      .zeroes(1000, 500)
      .zeroes(1500, 500)
      .write(10, b)
      .read(1000, 100)
      .trim(190'000, 5000);
  s.client.flush().write(150'000, c).disc();
  s.meant = diff_header({{}, "today", 200'000}) + data_record(150'000, a) + data_record(60'000, c) +
            data_record(150'000, a) + data_record(0, b) + zeroes_record(1000, 1000) +
            data_record(10, b) + zeroes_record(190'000, 5000) + data_record(150'000, c) +
            zeroes_record(30, 970) + zeroes_record(2000, 58'000) + zeroes_record(93'000, 57'000) +
            zeroes_record(195'000, 5000) + "e";
  s.splits = split_every(12'000, s.client.script());
  s.large = true;
  s.ends_visibly = true;
  return s;
}

/// READ and BLOCK_STATUS of what is held, of what was sent, and of unwritten bytes, with
/// replies in chunks.
inline scenario in_chunks(bool extended) {
  scenario s{extended ? "extended headers" : "structured replies",
             rig::ordered(stream::order::spill, 5000),
             {},
             {},
             true,
             true};
  const auto a = pattern(20'000, 1);
  const auto b = pattern(3'000, 2);
  s.client.flags();
  extended ? s.client.extended() : s.client.structured();
  s.client.allocation().go().status(0, 100'000).write(10'000, a).zeroes(30'000, 10'000);
  s.client.read(0, 50'000).read(0, 50'000, scripted_client::df).status(0, 100'000);
  s.client.write(0, b).write(b.size(), a.substr(0, 7'000), scripted_client::fua);
  s.client.status(0, 100'000, scripted_client::req_one).read(9, 0);
  s.client.request(scripted_client::cache_command, 0, 100).flush().disc();
  s.meant = b + a.substr(0, 7'000) + a + std::string(10'000, '\0');
  s.spills = true;
  return s;
}

/// What is tried in each way; those without large payloads are the same on most paths.
inline std::vector<scenario> scenarios(data_path path) {
  using stream::order;
  std::vector<scenario> all{every_command(),
                            big_write(),
                            large_payloads(),
                            large_out_of_order(order::spill),
                            two_large_payloads(),
                            refused(),
                            out_of_order(order::spill, "out of order, spill"),
                            records()};
  if (path != data_path::copied) return all;
  all.push_back(in_chunks(false));
  all.push_back(in_chunks(true));
  all.push_back(by_export_name());
  all.push_back(pipelined());
  all.push_back(out_of_order(order::window, "out of order, window"));
  all.push_back(out_of_order(order::spool, "spool"));
  return all;
}

/// Runs `s` on a rig that `prepare` has tuned, to its end, and checks what must always hold.
inline void play(const scenario& s, data_path path, const std::string& what,
                 const std::function<void(rig&, rig::connection&)>& prepare,
                 const std::function<void(rig&, rig::connection&, const transcript&)>& check) {
  SCOPED_TRACE(s.name + ", " + what);
  rig r(s.settings, path);
  auto& c = r.connect(s.client.script());
  c.tape.splits = s.splits;
  prepare(r, c);
  r.go(c);
  r.settle();
  ASSERT_TRUE(c.done) << "the session hangs\n" << r.log.all();
  r.exported.no_more_clients();
  r.settle();
  ASSERT_TRUE(r.export_done) << "the export hangs\n" << r.log.all();
  EXPECT_TRUE(r.nothing_left()) << "a coroutine hangs\n" << r.log.all();

  EXPECT_TRUE(r.tape.all_ended_once());
  EXPECT_LE(r.tape.streams.size(), 1u);
  EXPECT_TRUE(s.meant.starts_with(r.tape.data())) << "the sink got other bytes than were meant";
  if (r.tape.commits() > 0) {
    EXPECT_EQ(r.tape.data(), s.meant);
    EXPECT_EQ(c.tape.sent, s.client.script().size()) << "committed without the goodbye";
    EXPECT_TRUE(s.commits);
  }
  EXPECT_EQ(r.exported.committed(), r.tape.commits());
  const bool sink_was_to_commit = std::ranges::count(r.tape.calls, "commit") > 0;
  if (s.ends_visibly && !sink_was_to_commit) {
    EXPECT_LT(r.tape.data().size(), s.meant.size()) << "what was aborted has the end";
  }
  const auto said = s.client.parse(c.tape.from_server);
  EXPECT_EQ(said.wrong, "");
  std::uint64_t last = 0;
  std::set<std::uint64_t> answered;
  for (const auto& a : said.answers) {
    EXPECT_TRUE(s.spills || a.cookie == ++last) << a.cookie << " is not answered in order";
    EXPECT_TRUE(answered.insert(a.cookie).second) << "answered twice";
    const auto end = s.client.ends().find(a.cookie);
    ASSERT_NE(end, s.client.ends().end());
    EXPECT_LE(end->second, c.tape.sent) << "answered before the request was there";
  }
  check(r, c, said);
}

}  // namespace nbdstream::test
#endif
