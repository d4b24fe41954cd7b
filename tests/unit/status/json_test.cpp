// SPDX-License-Identifier: BSD-3-Clause
#include "status/json.hpp"

#include "examples.hpp"

#include <gtest/gtest.h>
#include <boost/json.hpp>

namespace nbdstream::status {
namespace {

using boost::json::object;
using boost::json::parse;

object parsed(const process& p) {
  return parse(to_json(p)).as_object();
}

object only_export(exported e) {
  return parsed(example({std::move(e)})).at("exports").as_array().at(0).as_object();
}

TEST(Json, SaysWhatTheProcessIs) {
  auto p = parsed(example({}));
  p.erase("connections");
  EXPECT_EQ(boost::json::value(p), parse(R"({"version":"1.2.3","pid":77,
    "time":"2026-11-27T06:00:09.750Z","began":"2026-11-27T05:59:59.500Z","stopping":false,
    "exports":[]})"));
}

TEST(Json, SaysEverythingOfAnExportThatStreams) {
  auto e = only_export(streaming_export());
  e.erase("stream");
  e.erase("recent");
  EXPECT_EQ(boost::json::value(e), parse(R"({"name":"vm1","description":"the first","sink":"fifo",
    "size_bytes":4096,"state":"streaming","streams":0,"committed":5,"aborted":1,
    "last_commit":"2026-11-27T06:00:01.250Z","sent_bytes":90001,"compressed_bytes":40006,"payload_bytes":70002,
    "zero_bytes":30003,"spliced_bytes":50004,"spilled_bytes":10005,"rate_bytes_per_second":200,
    "average_bytes_per_second":122,"remaining_seconds":18.6,"history_interval_seconds":2,
    "history_bytes_per_second":[100,200]})"));
}

TEST(Json, SaysEverythingOfTheStreamThatIsOpen) {
  EXPECT_EQ(only_export(streaming_export()).at("stream"), parse(R"({"id":3,
    "unique_id":"33333333333333333333333333333333","sent_bytes":1001,"compressed_bytes":406,
    "payload_bytes":702,"zero_bytes":303,"spliced_bytes":504,"spilled_bytes":105,
    "done_bytes":1005,"total_bytes":4000,"held_memory_bytes":61,"held_memory_peak_bytes":62,
    "held_spill_bytes":63,"held_spill_peak_bytes":64,"acknowledged_bytes":65,"writers":2,
    "began":"2026-11-27T06:00:01.500Z","age_seconds":8.25,
    "map":{"cell_bytes":4096,"cells":"#0m."}})"));
}

TEST(Json, SaysHowStreamsEnded) {
  EXPECT_EQ(only_export(streaming_export()).at("recent"), parse(R"([
    {"id":1,"unique_id":"11111111111111111111111111111111","outcome":"aborted",
     "reason":"the reader went away","sent_bytes":0,"compressed_bytes":0,"payload_bytes":0,
     "zero_bytes":0,"spliced_bytes":0,"spilled_bytes":0,"began":"2026-11-27T06:00:00.000Z",
     "ended":"2026-11-27T06:00:00.250Z","seconds":0.25,"digest":null},
    {"id":2,"unique_id":"22222222222222222222222222222222","outcome":"committed","reason":null,
     "sent_bytes":11,"compressed_bytes":16,"payload_bytes":12,
     "zero_bytes":13,"spliced_bytes":14,"spilled_bytes":15,"began":"2026-11-27T06:00:00.500Z",
     "ended":"2026-11-27T06:00:01.250Z","seconds":0.75,"digest":"sha256:00ff"}])"));
}

TEST(Json, SaysWhatAConnectionWrote) {
  EXPECT_EQ(parsed(example({})).at("connections"),
            parse(R"([{"id":4,"export":"vm1","writes":true,"written_bytes":1007}])"));
}

TEST(Json, HasNullForWhatIsNotKnown) {
  const auto e = only_export(idle_export());
  for (const auto* name : {"size_bytes", "last_commit", "remaining_seconds", "stream"}) {
    EXPECT_TRUE(e.at(name).is_null()) << name;
  }
  auto unsized_stream = streaming_export();
  unsized_stream.current->total.reset();
  EXPECT_TRUE(only_export(unsized_stream).at("stream").at("total_bytes").is_null());
}

TEST(Json, KeepsTheLargestNumber) {
  auto e = idle_export();
  e.size = (1ULL << 63) - (1ULL << 30);
  EXPECT_EQ(only_export(e).at("size_bytes").to_number<std::uint64_t>(), *e.size);
}

TEST(Json, IsOneLineOfUtf8WhateverAnExportIsCalled) {
  const auto text = to_json(example({idle_export("a\xff\n\"\\\xc3\xa9")}));
  EXPECT_EQ(text.find('\n'), text.npos);
  EXPECT_EQ(parse(text).at("exports").at(0).at("name"), "a\xef\xbf\xbd\n\"\\\xc3\xa9");
}

TEST(Json, OfOneOutcomeIsThatOfTheList) {
  const auto e = streaming_export();
  EXPECT_EQ(parse(to_json(e.recent.back())), only_export(e).at("recent").at(1));
}

}  // namespace
}  // namespace nbdstream::status
